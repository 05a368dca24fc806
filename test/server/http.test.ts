/** The HTTP port of a running server: probes, status, and upgrades that must be refused. */

import { get } from "node:http";
import { connect } from "node:net";
import t from "tap";
import { HostPolicy } from "../../server/host-policy.ts";
import { type Server, startServer } from "../../server/index.ts";

const limits = { outstanding_per_connection_max: 900 };
let server: Server;

t.before(async () => {
  server = await startServer({
    logLevel: "silent",
    limits,
    allowOrigins: ["https://console.example"],
    allowHosts: ["zabra.example"],
  });
  await server.ready();
});
t.teardown(() => server.close());

interface Answer {
  readonly status: number;
  readonly body: string;
}

function fetchWith(path: string, headers: Record<string, string> = {}, method = "GET", url = server.httpUrl): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const request = get({ host: hostname, port, path, headers, method, agent: false }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.on("error", reject);
  });
}

t.test("probes and status", async (t) => {
  t.same(await fetchWith("/livez"), { status: 200, body: "ok\n" });
  t.same(await fetchWith("/readyz?x=1"), { status: 200, body: "ok\n" });
  const { status, body } = await fetchWith("/status");
  t.equal(status, 200);
  const page: unknown = JSON.parse(body);
  t.match(page, {
    id: 1,
    role: "leading",
    epoch: 1,
    leader: 1,
    lastLoggedZxid: Number,
    lastCommittedZxid: Number,
    lastAppliedZxid: Number,
    sessions: 0,
    watches: 0,
    znodes: Number,
    uptimeMs: Number,
    version: /^\d+\.\d+\.\d+/,
  });
  t.equal((await fetchWith("/nowhere")).status, 404);
  t.equal((await fetchWith("/status", {}, "POST")).status, 405);
});

t.test("a server that does not serve says why", async (t) => {
  const alone = await startServer({
    logLevel: "silent",
    limits,
    id: 1,
    ensemble: [
      { id: 1, host: "127.0.0.1", port: 0, observer: false },
      { id: 2, host: "127.0.0.1", port: 1, observer: false },
      { id: 3, host: "127.0.0.1", port: 1, observer: false },
    ],
  });
  t.teardown(() => alone.close());
  const { status, body } = await fetchWith("/readyz", {}, "GET", alone.httpUrl);
  t.equal(status, 503);
  t.match(body, /server 2, 3/, "the missing voters are named");
  t.equal((await fetchWith("/livez", {}, "GET", alone.httpUrl)).status, 200);
  t.match(JSON.parse((await fetchWith("/status", {}, "GET", alone.httpUrl)).body), {
    role: "looking",
    leader: null,
    serving: false,
  });
});

t.test("an unknown Host is refused, also for status", async (t) => {
  t.equal((await fetchWith("/status", { host: "evil.example" })).status, 403);
  t.equal((await fetchWith("/status", { host: "zabra.example:2180" })).status, 200);
  t.equal((await fetchWith("/status", { host: "LOCALHOST" })).status, 200);
});

t.test("host policy", async (t) => {
  const policy = new HostPolicy(["Zabra-1"], ["https://a.example"]);
  for (const host of ["localhost", "localhost:1", "127.0.0.1", "[::1]:2180", "10.1.2.3:9", "zabra-1:2180"])
    t.ok(policy.isKnownHost(host), host);
  for (const host of [undefined, "", "evil.example", "localhost.evil.example", "[::1", "127.0.0.1.evil.example"])
    t.notOk(policy.isKnownHost(host), String(host));
  t.ok(policy.isAllowedOrigin(undefined, "localhost:1"));
  t.ok(policy.isAllowedOrigin("http://localhost:1", "localhost:1"));
  t.ok(policy.isAllowedOrigin("https://a.example", "localhost:1"));
  for (const origin of ["null", "http://localhost:2", "https://evil.example", "", "https://a.example.evil"])
    t.notOk(policy.isAllowedOrigin(origin, "localhost:1"), origin);
});

const good: Record<string, string> = {
  Host: "127.0.0.1",
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Protocol": "zabra.v1",
};

/** Sends raw bytes; resolves with all that came until the other side closed, or up to the end of the headers of a 101. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.httpUrl);
    let answer = "";
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString("latin1");
      if (answer.startsWith("HTTP/1.1 101") && answer.includes("\r\n\r\n")) socket.destroy();
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}

function upgrade(changes: Record<string, string | undefined>, path = "/v1", method = "GET"): Promise<string> {
  const headers = Object.entries({ ...good, ...changes }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}\r\n`],
  );
  return raw(`${method} ${path} HTTP/1.1\r\n${headers.join("")}\r\n`);
}

const upgrades: readonly (readonly [
  title: string,
  answer: RegExp,
  changes: Record<string, string | undefined>,
  path?: string,
  method?: string,
])[] = [
  ["a good one", /^HTTP\/1.1 101 [\s\S]*Sec-WebSocket-Protocol: zabra.v1/, {}],
  ["a listed origin", /^HTTP\/1.1 101 /, { Origin: "https://console.example" }],
  ["its own origin", /^HTTP\/1.1 101 /, { Origin: "http://127.0.0.1" }],
  ["another path", /^HTTP\/1.1 404 /, {}, "/v2"],
  ["another web origin", /^HTTP\/1.1 403 [\s\S]*Origin/, { Origin: "https://evil.example" }],
  ["a rebound name", /^HTTP\/1.1 403 [\s\S]*Host/, { Host: "evil.example", Origin: "http://evil.example" }],
  ["no subprotocol", /^HTTP\/1.1 400 [\s\S]*zabra.v1/, { "Sec-WebSocket-Protocol": undefined }],
  ["another subprotocol", /^HTTP\/1.1 400 /, { "Sec-WebSocket-Protocol": "zabra.v2" }],
  ["several subprotocols", /^HTTP\/1.1 400 /, { "Sec-WebSocket-Protocol": "zabra.v1, zabra.v2" }],
  ["no key", /^HTTP\/1.1 400 /, { "Sec-WebSocket-Key": undefined }],
  ["a short key", /^HTTP\/1.1 400 /, { "Sec-WebSocket-Key": "abc" }],
  ["an old version", /^HTTP\/1.1 4\d\d /, { "Sec-WebSocket-Version": "7" }],
  ["another upgrade", /^HTTP\/1.1 400 /, { Upgrade: "h2c" }],
  ["headers of 10 KiB", /^HTTP\/1.1 4(31|00) /, { "X-Long": "x".repeat(10_000) }],
  ["a POST", /^HTTP\/1.1 405 /, {}, "/v1", "POST"],
];
for (const [title, answer, changes, path, method] of upgrades) {
  t.test(`upgrade: ${title}`, async (t) => t.match(await upgrade(changes, path, method), answer));
}

t.test("bytes that are no HTTP", async (t) => {
  t.match(await raw("\x00\x01\x02\x03\r\n\r\n"), /^HTTP\/1.1 400 /);
  t.match(
    await raw("GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    /^HTTP\/1.1 400 /,
  );
});
