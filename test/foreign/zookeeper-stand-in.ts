/**
 * Takes the place of `java … QuorumPeerMain zoo.cfg` for foreign test suites that start ZooKeeper's servers
 * themselves: reads that configuration and runs a Zabra server as it says, in this process, until SIGTERM.
 * Called by a script named `java` that stands first on the suite's PATH.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const superProperty = "-Dzookeeper.DigestAuthenticationProvider.superDigest=";

function readProperties(path: string): ReadonlyMap<string, string> {
  const properties = new Map<string, string>();
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const equals = line.indexOf("=");
    if (equals > 0 && !line.startsWith("#")) properties.set(line.slice(0, equals).trim(), line.slice(equals + 1).trim());
  }
  return properties;
}

function required(properties: ReadonlyMap<string, string>, name: string): string {
  const value = properties.get(name);
  if (value === undefined) throw new Error(`${name} is missing from zoo.cfg`);
  return value;
}

/** `server.N=HOST:QUORUM:ELECTION[:observer]`: the quorum port becomes the port for peers. */
function members(properties: ReadonlyMap<string, string>): readonly string[] {
  return [...properties]
    .filter(([key]) => key.startsWith("server."))
    .map(([key, value]) => {
      const [, port, , role] = (value.split(";")[0] ?? "").split(":");
      return `${key.slice("server.".length)}=127.0.0.1:${port}${role === "observer" ? ":observer" : ""}`;
    });
}

function serverArguments(words: readonly string[]): readonly string[] {
  const properties = readProperties(words.at(-1) ?? "zoo.cfg");
  const directory = required(properties, "dataDir");
  const ensemble = members(properties);
  const id = ensemble.length === 0 ? "1" : readFileSync(join(directory, "myid"), "utf8").trim();
  const tickMs = Number(properties.get("tickTime") ?? 3_000);
  const config = join(directory, "zabra.json");
  const limits = { session_timeout_ms_min: 2 * tickMs, session_timeout_ms_max: 20 * tickMs };
  writeFileSync(config, JSON.stringify({ limits: { ...limits, session_timeout_ms_default: 4 * tickMs } }));
  mkdirSync(join(directory, "zabra"), { recursive: true });
  const secret = words.find((word) => word.startsWith(superProperty))?.slice(superProperty.length);
  return [
    ...["server", "--id", id, "--data-dir", join(directory, "zabra"), "--config", config, "--log-level", "warn"],
    ...(ensemble.length > 1 ? ["--ensemble", ensemble.join(",")] : []),
    ...["--http", `127.0.0.1:${properties.get("admin.serverPort") ?? 0}`],
    ...["--zk", `127.0.0.1:${required(properties, "clientPort")}`],
    ...(secret === undefined ? [] : ["--super-digest", secret]),
  ];
}

process.argv = [process.execPath, "zabra", ...serverArguments(process.argv.slice(2))];
await import("../../server/zabra.ts");
