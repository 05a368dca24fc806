/** ZooKeeper's own command line, as Debian's `zookeeper` package has it, fed with commands; used by its test and by the recording. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { source } from "./maven.ts";

const program = "/usr/share/zookeeper/bin/zkCli.sh";

/** What a real ZooKeeper's run says, one line a line. */
export const expectedFile = source("zkcli-expected.txt");

export const zkCliMissing = existsSync(program) ? undefined : `NOT TESTED: ${program} is missing (Debian's package zookeeper)`;

const commands = [
  "printwatches off",
  "create /cli",
  "create /cli/a hello",
  "create -s /cli/s- x",
  "create -e /cli/e",
  "create -e -s /cli/es- y",
  "create -c /cli/container",
  "create -t 100000 /cli/ttl z",
  "get /cli/a",
  "get -s /cli/a",
  "set /cli/a world",
  "set -v 0 /cli/a never",
  "set -s -v 1 /cli/a again",
  "stat /cli",
  "stat /cli/e",
  "ls /cli",
  "ls -s /cli",
  "ls -R /cli",
  "getAllChildrenNumber /cli",
  "getEphemerals",
  "getEphemerals /cli/es",
  "create /cli/a again",
  "create /cli/none/x",
  "create /cli/e/x",
  "get /none",
  "stat /none",
  "ls /none",
  "delete /cli",
  "delete -v 7 /cli/a",
  "getAcl /cli/a",
  "setAcl /cli/a world:anyone:r",
  "getAcl -s /cli/a",
  "set /cli/a refused",
  "addauth digest u:p",
  "whoami",
  "create /cli/mine data auth::cdrwa",
  "getAcl /cli/mine",
  "setAcl -R /cli/ttl world:anyone:cdrwa",
  "sync /cli",
  "setquota -n 3 /cli/container",
  "listquota /cli/container",
  "create /cli/container/x abc",
  "listquota /cli/container",
  "delquota /cli/container",
  "listquota /cli/container",
  "setquota -N 2 /cli/container",
  "create /cli/container/y",
  "delquota -N /cli/container",
  "delquota /cli/container",
  "reconfig -remove 9",
  "addWatch /cli/a",
  "removewatches /cli/a",
  "removewatches /cli/a",
  "deleteall /cli",
  "ls /",
  "ls /zookeeper",
  "ls /zookeeper/quota",
  "getAcl /zookeeper/config",
  "delete /zookeeper",
  "quit",
];

/** All that it says about them, without what differs from run to run. `address`: HOST:PORT. */
export async function runZkCli(address: string): Promise<readonly string[]> {
  const child = spawn("sh", ["-c", `"$0" "$@" 2>&1`, program, "-server", address], { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString("utf8");
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.stdin.end(`${commands.join("\n")}\n`);
  await ended;
  return normal(text);
}

const noise = /^(SLF4J|Connecting|Welcome|JLine|WATCHER|WatchedEvent|\s*$|\d{4}-)/;

function normal(text: string): readonly string[] {
  const lines = text.split("\n").filter((line) => !noise.test(line));
  const zxids = [...new Set(lines.flatMap((line) => line.match(/Zxid = 0x[1-9a-f][0-9a-f]*/g) ?? []).map(hex))].sort(
    (a, b) => a - b,
  );
  return lines.map((line) =>
    line
      .replace(/^(.Zxid) = 0x[1-9a-f][0-9a-f]*$/, (all, name: string) => `${name} = z${zxids.indexOf(hex(all)) + 1}`)
      .replace(/^ephemeralOwner = 0x[1-9a-f][0-9a-f]*$/, "ephemeralOwner = its session")
      .replace(/^([cm]time) = .* \d{4}$/, "$1 = a time")
      .replace(/^\[(.*)\]$/, (_, names: string) => `[${names.split(", ").sort().join(", ")}]`),
  );
}

function hex(text: string): number {
  return Number(text.slice(text.indexOf("0x")));
}
