/**
 * A real ZooKeeper on loopback, one server or several, to compare with. Needs Java and mvn. Only for recording and for measuring beside; no test of
 * the gate depends on it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePorts } from "../cluster/process-ensemble.ts";
import { ask } from "../conformance/connection.ts";
import { superDigest } from "../conformance/operations.ts";
import { mavenJars } from "./maven.ts";

export const zookeeperVersion = "3.9.3";
const startMs = 30_000;

interface Member {
  readonly id: number;
  readonly client: number;
  readonly quorum: number;
  readonly election: number;
  child: ChildProcess | undefined;
}

export class RealZooKeeper {
  readonly #directory = mkdtempSync(join(tmpdir(), "zookeeper-"));
  readonly #jars = mavenJars("zookeeper");
  readonly members: Member[] = [];

  static async start(servers = 1): Promise<RealZooKeeper> {
    const zookeeper = new RealZooKeeper();
    for (let id = 1; id <= servers; id += 1) {
      const [client = 0, quorum = 0, election = 0] = await freePorts(3);
      zookeeper.members.push({ id, client, quorum, election, child: undefined });
    }
    for (const member of zookeeper.members) zookeeper.startServer(member.id);
    for (const member of zookeeper.members) await zookeeper.serving(member.id);
    return zookeeper;
  }

  get addresses(): readonly string[] {
    return this.members.map(({ client }) => `127.0.0.1:${client}`);
  }

  member(id: number): Member {
    const member = this.members.find((other) => other.id === id);
    if (member === undefined) throw new Error(`no server ${id}`);
    return member;
  }

  startServer(id: number): void {
    const member = this.member(id);
    const directory = join(this.#directory, String(id));
    mkdirSync(join(directory, "data"), { recursive: true });
    writeFileSync(join(directory, "data/myid"), String(id));
    writeFileSync(join(directory, "zoo.cfg"), this.#configuration(directory));
    const output = openSync(join(directory, "out"), "a");
    const properties = [
      "-Xmx512m",
      "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
      "-Dzookeeper.extendedTypesEnabled=true",
      "-Dzookeeper.enforceQuota=true",
      "-Dznode.container.checkIntervalMs=200",
      `-Dzookeeper.DigestAuthenticationProvider.superDigest=${superDigest}`,
    ];
    const main = ["-cp", join(this.#jars, "*"), "org.apache.zookeeper.server.quorum.QuorumPeerMain", join(directory, "zoo.cfg")];
    member.child = spawn("java", [...properties, ...main], { stdio: ["ignore", output, output] });
    member.child.once("exit", () => {
      member.child = undefined;
    });
    closeSync(output);
  }

  /** A server alone runs as a quorum of one, so that it refuses and answers as one of an ensemble does. */
  #configuration(directory: string): string {
    const servers = this.members.map(
      ({ id, client, quorum, election }) => `server.${id}=127.0.0.1:${quorum}:${election}:participant;127.0.0.1:${client}`,
    );
    return [
      "tickTime=200",
      "initLimit=50",
      "syncLimit=25",
      `dataDir=${join(directory, "data")}`,
      "maxClientCnxns=0",
      "minSessionTimeout=400",
      "maxSessionTimeout=40000",
      "admin.enableServer=false",
      "4lw.commands.whitelist=*",
      "standaloneEnabled=false",
      "reconfigEnabled=true",
      ...servers,
      "",
    ].join("\n");
  }

  async serving(id: number): Promise<void> {
    const endMs = performance.now() + startMs;
    while (!(await ask(`127.0.0.1:${this.member(id).client}`, "srvr")).includes("Mode: ")) {
      if (performance.now() > endMs) throw new Error(`ZooKeeper's server ${id} does not serve; see ${this.#directory}`);
      await delay(100);
    }
  }

  async signal(id: number, signal: NodeJS.Signals): Promise<void> {
    const { child } = this.member(id);
    if (child === undefined) return;
    child.kill(signal);
    while (this.member(id).child === child) await delay(5);
  }

  async close(): Promise<void> {
    for (const { id } of this.members) await this.signal(id, "SIGKILL");
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
