/**
 * Takes the place of `java … QuorumPeerMain zoo.cfg` for foreign test suites that start ZooKeeper's servers
 * themselves: reads that configuration and runs a Zabra server as it says, in this process, until SIGTERM.
 * Called by a script named `java` that stands first on the suite's PATH.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const jaasProperty = "-Djava.security.auth.login.config=";
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

/** Writes the first key of a Java keystore, its certificate, and the certificates that are trusted, as PEM. */
const keystoreToPem = `
import base64, jks, sys, textwrap
def pem(name, der):
    return "-----BEGIN %s-----\\n%s\\n-----END %s-----\\n" % (name, "\\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64)), name)
keys, password, trusted, password_of_trusted, folder = sys.argv[1:]
key = list(jks.KeyStore.load(keys, password).private_keys.values())[0]
open(folder + "/key.pem", "w").write(pem("PRIVATE KEY", key.pkey_pkcs8))
open(folder + "/cert.pem", "w").write("".join(pem("CERTIFICATE", der) for _, der in key.cert_chain))
certs = jks.KeyStore.load(trusted, password_of_trusted).certs.values()
open(folder + "/ca.pem", "w").write("".join(pem("CERTIFICATE", entry.cert) for entry in certs))
`;

/** Java's stores of keys are read by Python's pyjks, which the suite wrote them with. */
function secureArguments(properties: ReadonlyMap<string, string>, folder: string): readonly string[] {
  const port = properties.get("secureClientPort");
  if (port === undefined) return [];
  const names = ["ssl.keyStore.location", "ssl.keyStore.password", "ssl.trustStore.location", "ssl.trustStore.password"];
  const python = process.env["ZABRA_PYTHON"] ?? "python3";
  execFileSync(python, ["-c", keystoreToPem, ...names.map((name) => required(properties, name)), folder]);
  const files = ["cert", "key", "ca"].flatMap((name) => [`--tls-${name}`, join(folder, `${name}.pem`)]);
  return ["--zk-tls", `127.0.0.1:${port}`, ...files];
}

/** Users of the server's JAAS configuration: `user_NAME="PASSWORD"`. */
function saslArguments(words: readonly string[], folder: string): readonly string[] {
  const path = words.find((word) => word.startsWith(jaasProperty))?.slice(jaasProperty.length);
  const users = path === undefined ? [] : [...readFileSync(path, "utf8").matchAll(/\buser_(\w+)="([^"]*)"/g)];
  if (users.length === 0) return [];
  const file = join(folder, "users.json");
  writeFileSync(file, JSON.stringify(Object.fromEntries(users.map(([, user, password]) => [user, password]))));
  return ["--sasl-users", file];
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
    ...secureArguments(properties, directory),
    ...saslArguments(words, directory),
    ...(words.includes("-Dreadonlymode.enabled=true") ? ["--zk-read-only", "on"] : []),
    ...(secret === undefined ? [] : ["--super-digest", secret]),
  ];
}

// A suite that is stopped stops no servers.
const suite = process.ppid;
setInterval(() => process.ppid === suite || process.exit(1), 500).unref();

process.argv = [process.execPath, "zabra", ...serverArguments(process.argv.slice(2))];
await import("../../server/zabra.ts");
