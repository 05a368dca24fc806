/** Configuration: precedence, defaults, and every mistake with the name of the setting and what is allowed. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { ConfigError, parseAddress, readConfig, readLimits } from "../../server/config.ts";

const valid = { id: "1", "data-dir": "/tmp/d" };
const three = "1=a:2888,2=b:2888,3=c:2888";
/** Until the defaults of limits agree with each other. */
const goodLimits = { limits: { outstanding_per_connection_max: 900 } };

const directory = mkdtempSync(join(tmpdir(), "zabra-config-"));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

function file(content: unknown): string {
  const path = join(directory, `${Math.random()}.json`);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const base = file(goodLimits);
const [certificate = "", key = "", otherKey = ""] = ["server.pem", "server.key", "client.key"].map((name) =>
  fileURLToPath(new URL(`../../../test/server/certificates/${name}`, import.meta.url)),
);
const secure = { ...valid, "zk-tls": "a:1", "tls-cert": certificate, "tls-key": key };

function read(flags: Record<string, string | boolean>, environment: NodeJS.ProcessEnv = {}) {
  return readConfig({ config: base, ...flags }, environment);
}

t.test("defaults", async (t) => {
  const config = read({ "data-dir": "/tmp/d" });
  t.match(config, {
    id: 1,
    http: { host: "127.0.0.1", port: 2180 },
    zookeeper: { host: "127.0.0.1", port: 2181 },
    ensemble: [{ id: 1 }],
    rejoin: false,
    foundAboveEpoch: 0,
    leaseReads: true,
    logLevel: "info",
  });
  t.equal(config.peer, undefined);
});

t.test("TLS: what the files hold", async (t) => {
  t.equal(read(valid).zookeeperTls, undefined);
  t.match(read({ ...secure, "tls-ca": certificate }).zookeeperTls, {
    host: "a",
    port: 1,
    cert: /^-----BEGIN/,
    ca: /^-----BEGIN/,
  });
  t.equal(read({ ...secure, zk: "off" }).zookeeperTls?.ca, undefined);
});

t.test("an ensemble, sorted; its own address is where it listens for peers", async (t) => {
  const config = read({ ...valid, id: "2", ensemble: "3=c:1,2=[::1]:2888,1=a:1,4=d:1:observer" });
  t.same(
    config.ensemble.map((member) => member.id),
    [1, 2, 3, 4],
  );
  t.same(config.peer, { host: "::1", port: 2888 });
  t.same(config.ensemble[3], { id: 4, host: "d", port: 1, observer: true });
  t.same(read({ ...valid, ensemble: three, peer: "0.0.0.0:9" }).peer, { host: "0.0.0.0", port: 9 });
});

t.test("a flag beats the environment, which beats the file", async (t) => {
  const config = file({
    ...goodLimits,
    http: "f:1",
    zk: "f:2",
    "log-level": "warn",
    "allow-origin": ["https://a.example", "https://b.example"],
  });
  const environment = { ZABRA_HTTP: "e:1", ZABRA_ZK: "e:2", ZABRA_CONFIG: config, ZABRA_DATA_DIR: "/tmp/e" };
  const result = readConfig({ http: "g:1" }, environment);
  t.same(result.http, { host: "g", port: 1 });
  t.same(result.zookeeper, { host: "e", port: 2 });
  t.equal(result.logLevel, "warn");
  t.equal(result.dataDirectory, "/tmp/e");
  t.same(result.allowOrigins, ["https://a.example", "https://b.example"]);
  t.equal(read({ ...valid, zk: "off" }).zookeeper, undefined);
});

const mistakes: readonly (readonly [title: string, run: () => unknown, message: RegExp, exitCode: 64 | 78])[] = [
  ["no data directory", () => read({ id: "1" }), /--data-dir: is required/, 64],
  ["id 0", () => read({ ...valid, id: "0" }), /--id: must be a whole number from 1 to 255 \(got "0"\)/, 64],
  ["id 256", () => read({ ...valid, id: "256" }), /from 1 to 255/, 64],
  ["id a word", () => read({ ...valid, id: "one" }), /from 1 to 255/, 64],
  ["id from the environment", () => read({ "data-dir": "d" }, { ZABRA_ID: "x" }), /ZABRA_ID: must be/, 78],
  [
    "address without port",
    () => read({ ...valid, http: "localhost" }),
    /--http: must be HOST:PORT with a port from 0 to 65535/,
    64,
  ],
  ["port too high", () => read({ ...valid, http: "localhost:65536" }), /--http/, 64],
  ["bare IPv6", () => read({ ...valid, zk: "::1:2181" }), /--zk/, 64],
  ["member without id", () => read({ ...valid, ensemble: "a:2888" }), /--ensemble: each member must be ID=HOST:PORT/, 64],
  ["member without port", () => read({ ...valid, ensemble: "1=a" }), /--ensemble: each member/, 64],
  ["member id too high", () => read({ ...valid, ensemble: "1=a:1,300=b:1" }), /ids from 1 to 255; got "300=b:1"/, 64],
  ["member named twice", () => read({ ...valid, ensemble: "1=a:1,1=b:1" }), /names server 1 twice/, 64],
  ["not in the ensemble", () => read({ ...valid, id: "7", ensemble: three }), /does not name this server, 7/, 64],
  ["observers alone", () => read({ ...valid, ensemble: "1=a:1:observer" }), /at least one member that is not an observer/, 64],
  ["unknown role", () => read({ ...valid, ensemble: "1=a:1:witness" }), /--ensemble: each member/, 64],
  ["log level", () => read({ ...valid, "log-level": "loud" }), /--log-level: must be one of trace, debug/, 64],
  ["switch", () => read({ ...valid, "lease-reads": "maybe" }), /--lease-reads: must be on or off/, 64],
  [
    "origin with path",
    () => read({ ...valid, "allow-origin": "https://a.example/x" }),
    /--allow-origin: must be origins such as/,
    64,
  ],
  [
    "super digest",
    () => read({ ...valid, "super-digest": "super:secret" }),
    /--super-digest: must be super: and the base64 of a SHA-1$/,
    64,
  ],
  ["TLS nowhere", () => readConfig({ ...valid, "zk-tls": ":1" }, {}), /--zk-tls: must be HOST:PORT/, 64],
  ["TLS without a certificate", () => readConfig({ ...valid, "zk-tls": "a:1" }, {}), /--tls-cert: is required with --zk-tls/, 64],
  [
    "TLS without a key",
    () => readConfig({ ...valid, "zk-tls": "a:1", "tls-cert": certificate }, {}),
    /--tls-key: is required with --zk-tls/,
    64,
  ],
  [
    "TLS from no file",
    () => readConfig({ ...secure, "tls-cert": "/nowhere.pem" }, {}),
    /--tls-cert: \/nowhere.pem cannot be read/,
    64,
  ],
  [
    "TLS with no certificate",
    () => readConfig({ ...secure, "tls-cert": key }, {}),
    /--tls-cert: .* must hold a certificate in PEM/,
    64,
  ],
  [
    "TLS with no key",
    () => readConfig({ ...secure, "tls-key": file("secret") }, {}),
    /--tls-key: .* must hold a private key in PEM/,
    64,
  ],
  [
    "TLS with another's key",
    () => readConfig({ ...secure, "tls-key": otherKey }, {}),
    /--tls-key: must be the key of the certificate/,
    64,
  ],
  [
    "TLS with no authority",
    () => readConfig({ ...secure }, { ZABRA_TLS_CA: key }),
    /ZABRA_TLS_CA: .* must hold a certificate/,
    78,
  ],
  [
    "a certificate and no TLS",
    () => readConfig({ ...valid, "tls-cert": certificate }, {}),
    /--tls-cert: is of no use without/,
    64,
  ],
  ["file missing", () => readConfig({ ...valid, config: "/nowhere.json" }, {}), /--config: \/nowhere.json cannot be read/, 78],
  [
    "SASL users that are none",
    () => readConfig({ ...valid, "sasl-users": file('{"bob": 5}') }, {}),
    /must give each user a password/,
    64,
  ],
  ["SASL users not JSON", () => readConfig({ ...valid, "sasl-users": file("secret") }, {}), /cannot be read: it is not JSON/, 64],
  ["an unknown four-letter word", () => readConfig({ ...valid, "zk-words": "stat,nope" }, {}), /must name some of ruok,/, 64],
  ["file not JSON", () => readConfig({ ...valid, config: file("{") }, {}), /cannot be read/, 78],
  ["file not an object", () => readConfig({ ...valid, config: file([]) }, {}), /must hold a JSON object/, 78],
  [
    "file with an unknown key",
    () => readConfig({ ...valid, config: file({ hhtp: "a:1" }) }, {}),
    /has no setting "hhtp"; known are id, data-dir/,
    78,
  ],
  [
    "file with a wrong type",
    () => readConfig({ ...valid, config: file({ http: { port: 1 } }) }, {}),
    /"http" must be a string/,
    78,
  ],
  ["unknown limit", () => readLimits({ heartbeats: 1 }), /limits.heartbeats: is not a limit/, 78],
  ["limit of a wrong type", () => readLimits({ heartbeat_ms: "20" }), /limits.heartbeat_ms: must be a number/, 78],
  [
    "limits that do not fit",
    () => readLimits({ promise_ms: 60, ...goodLimits.limits }),
    /limits: a lease must outlast two heartbeats/,
    78,
  ],
];

for (const [title, run, message, exitCode] of mistakes) {
  t.test(`mistake: ${title}`, async (t) => {
    try {
      run();
      t.fail("accepted");
    } catch (error) {
      t.ok(error instanceof ConfigError);
      if (!(error instanceof ConfigError)) return;
      t.match(error.message, message);
      t.equal(error.exitCode, exitCode);
    }
  });
}

t.test("a secret is not repeated in the error", async (t) => {
  try {
    read({ ...valid, "super-digest": "super:hunter2" });
    t.fail("accepted");
  } catch (error) {
    t.notMatch(String(error), /hunter2/);
  }
});

t.test("addresses", async (t) => {
  t.same(parseAddress("[::1]:80"), { host: "::1", port: 80 });
  t.same(parseAddress("a.b:0"), { host: "a.b", port: 0 });
  for (const text of ["", ":", ":80", "a:", "a:-1", "a:1.5", "[::1:80", "[]:80", "a:b:1"])
    t.equal(parseAddress(text), undefined, text);
});
