/**
 * More than the servers can do: a storm of reconnects, a leader that sleeps for twice the session timeout, writes at
 * three times the capacity, and readers that never read. No live client's session may expire, memory
 * stays under its cap, and work goes on afterwards as before.
 * `npm run nemesis:overload -- [--clients 5000] [--only storm,pause,load,readers] [--memory 450]`. Exit code 1 otherwise.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import WebSocket from "ws";
import { connect } from "../client/index.ts";
import type { SessionId, Zxid } from "../src/model/zxid.ts";
import { encodeClientMessage, Writer } from "../src/wire/client-codec.ts";
import { CrowdProcess } from "../test/cluster/crowd-process.ts";
import { ProcessEnsemble, residentMiB } from "../test/cluster/process-ensemble.ts";
import { LoadConnection } from "./support/connection.ts";

const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "5000" },
    only: { type: "string", default: "" },
    memory: { type: "string", default: "450" },
    seconds: { type: "string", default: "10" },
  },
});
const clients = Number(values.clients);
const memoryMax = Number(values.memory);
const seconds = Number(values.seconds);
const sessionTimeoutMs = 10_000;
const payload = new Uint8Array(100).fill(120);
const path = "/load";
const wanted = (part: string): boolean => values.only === "" || values.only.split(",").includes(part);
const problems: string[] = [];
let mostAnon = 0;

const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn"] });
const sampler = setInterval(() => {
  for (const { id, child } of ensemble.members) if (child !== undefined) mostAnon = Math.max(mostAnon, anonOf(id));
}, 200);
try {
  if (wanted("storm")) await withCrowd("storm", storm);
  if (wanted("pause")) await withCrowd("pause", pause);
  if (wanted("load")) await withCrowd("load", load);
  if (wanted("readers")) await readers();
  check(mostAnon <= memoryMax, `a server held ${mostAnon.toFixed(0)} MiB of its own; the cap is ${memoryMax}`);
  console.log(`RssAnon of a server at most ${mostAnon.toFixed(0)} MiB`);
  if (problems.length > 0) console.log(await ensemble.diagnosis());
} catch (error) {
  console.log(await ensemble.diagnosis());
  throw error;
} finally {
  clearInterval(sampler);
  await ensemble.close();
}
for (const problem of problems) console.log(`PROBLEM: ${problem}`);
console.log(problems.length === 0 ? "nobody lost a session" : "FAILED");
process.exitCode = problems.length === 0 ? 0 : 1;

function check(holds: boolean, problem: string): void {
  if (!holds) problems.push(problem);
}

function anonOf(id: number): number {
  try {
    return residentMiB(ensemble.pid(id)).anon;
  } catch {
    return 0;
  }
}

async function withCrowd(part: string, play: (crowd: CrowdProcess) => Promise<string>): Promise<void> {
  const beganMs = performance.now();
  const crowd = await CrowdProcess.gather(ensemble.urls, clients, `/crowd-${part}`);
  console.log(`${part}: ${clients} clients came in ${((performance.now() - beganMs) / 1_000).toFixed(1)} s`);
  try {
    const report = await play(crowd);
    const { lost, suspended, missing } = await crowd.count();
    console.log(
      `${part}: ${report}; ${suspended} were without a connection, ${lost} lost sessions, ${missing} missing ephemerals`,
    );
    check(lost === 0 && missing === 0, `${part}: ${lost} sessions lost, ${missing} ephemerals missing`);
    await crowd.leave();
  } finally {
    crowd.kill();
  }
}

/** The leader dies: its clients, and all that it leaves behind, come to the others at once. */
async function storm(crowd: CrowdProcess): Promise<string> {
  const leader = await ensemble.leader();
  await ensemble.signal(leader, "SIGKILL");
  await delay(200);
  const backMs = await crowd.allBack(60_000);
  ensemble.startServer(leader);
  await ensemble.waitServing();
  await delay(sessionTimeoutMs + 2_000);
  return `all back ${(backMs / 1_000).toFixed(1)} s after the leader died`;
}

async function pause(crowd: CrowdProcess): Promise<string> {
  const leader = await ensemble.leader();
  await ensemble.signal(leader, "SIGSTOP");
  await delay(2 * sessionTimeoutMs);
  await ensemble.signal(leader, "SIGCONT");
  const backMs = await crowd.allBack(60_000);
  await delay(sessionTimeoutMs + 2_000);
  return `leader ${leader} slept for ${(2 * sessionTimeoutMs) / 1_000} s, all back ${(backMs / 1_000).toFixed(1)} s after it woke`;
}

/** Open loop: what cannot be done is refused, and what is sent does not wait for what was answered. */
async function load(crowd: CrowdProcess): Promise<string> {
  await makeTarget();
  const before = await capacity();
  const flood = await openLoop(3 * before);
  const endMs = performance.now();
  let after = 0;
  while (after < 0.9 * before && performance.now() - endMs < 30_000) after = await closedLoop(2);
  const recoveredS = (performance.now() - endMs) / 1_000;
  check(after >= 0.9 * before, `load: ${after.toFixed(0)}/s after the flood, ${before.toFixed(0)}/s before`);
  await crowd.allBack(30_000);
  return `${before.toFixed(0)}/s before; ${flood}; ${after.toFixed(0)}/s ${recoveredS.toFixed(1)} s after its end`;
}

async function makeTarget(): Promise<void> {
  const client = await connect(ensemble.urls);
  await client.ensurePath(path);
  await client.close();
}

function set(connection: LoadConnection): void {
  connection.write({ type: "setData", path, data: payload, version: -1 });
}

/** The best of measurements that are made until they no longer get better: after a crowd has come the servers are slow for a while. */
async function capacity(): Promise<number> {
  let best = 0;
  for (let i = 0; i < 10; i += 1) {
    const rate = await closedLoop(2);
    if (rate < 1.1 * best) return Math.max(rate, best);
    best = rate;
  }
  return best;
}

function openConnections(): Promise<LoadConnection[]> {
  return Promise.all(Array.from({ length: 32 }, (_, i) => openPatiently(ensemble.urls[i % 3] ?? "")));
}

/** The machine has other work too: an election of those that could not breathe refuses new sessions for a moment. */
async function openPatiently(url: string): Promise<LoadConnection> {
  const endMs = performance.now() + 30_000;
  for (;;) {
    try {
      return await LoadConnection.open(url);
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await delay(200);
    }
  }
}

/** Operations a second with 32 requests in flight a connection. */
async function closedLoop(seconds: number): Promise<number> {
  const connections = await openConnections();
  let done = 0;
  let running = true;
  for (const connection of connections) {
    connection.onReply = (reply) => {
      if (reply.outcome.code === "OK") done += 1;
      if (running) set(connection);
    };
    for (let i = 0; i < 32; i += 1) set(connection);
  }
  await delay(500);
  done = 0;
  await delay(seconds * 1_000);
  const rate = done / seconds;
  running = false;
  await delay(1_000);
  for (const connection of connections) connection.close();
  return rate;
}

/**
 * Sends on a session until one of its writes is refused: those after it would be out of order, and are not sent again here, so another
 * session takes its place.
 */
async function openLoop(rate: number): Promise<string> {
  const counts = new Map<string, number>();
  let hintless = 0;
  const connections = await openConnections();
  let sessions = connections.length;
  const replace = async (index: number, old: LoadConnection): Promise<void> => {
    if (connections[index] !== old) return;
    const opened = LoadConnection.open(ensemble.urls[index % 3] ?? "");
    old.close();
    sessions += 1;
    connections[index] = await opened;
    listen(index);
  };
  const listen = (index: number): void => {
    const connection = connections[index];
    if (connection === undefined) return;
    let refused = false;
    connection.onReply = ({ outcome: { code, detail } }) => {
      counts.set(code, (counts.get(code) ?? 0) + 1);
      if (code === "OVERLOADED" && !/^\d+ ms/.test(detail)) hintless += 1;
      if (code === "OK" || refused) return;
      refused = true;
      void replace(index, connection).catch(() => counts.set("not opened", (counts.get("not opened") ?? 0) + 1));
    };
  };
  for (const index of connections.keys()) listen(index);
  const beganMs = performance.now();
  let sent = 0;
  let held = 0;
  for (let nowMs = 0; nowMs < seconds * 1_000; nowMs = performance.now() - beganMs) {
    for (const connection of connections) {
      const due = Math.floor((nowMs / 1_000) * (rate / connections.length)) - Math.floor((sent + held) / connections.length);
      connection.cork();
      for (let i = 0; i < Math.min(due, 2_000); i += 1) {
        if (connection.bufferedBytes < 4 << 20) {
          set(connection);
          sent += 1;
        } else held += 1;
      }
      connection.uncork();
    }
    await delay(2);
  }
  await delay(2_000);
  for (const connection of connections) connection.close();
  check(hintless === 0, `load: ${hintless} refusals without a hint`);
  check(held > 0 || counts.has("OVERLOADED"), "load: the flood was no overload: nothing was refused or held back");
  const answers = [...counts].map(([code, count]) => `${count} ${code}`).join(", ");
  return `${Math.round(rate)}/s for ${seconds} s: ${sent} sent on ${sessions} sessions, ${held} held back by full sockets, answered ${answers}`;
}

/** They subscribe to everything and never look at what comes. */
async function readers(): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: 200 }, (_, i) => neverReading(ensemble.urls[i % 3] ?? "")));
  await makeTarget();
  const client = await connect(ensemble.urls);
  const large = "x".repeat(10_000);
  let written = 0;
  let slowestMs = 0;
  for (const endMs = performance.now() + seconds * 1_000; performance.now() < endMs; ) {
    const beganMs = performance.now();
    await Promise.all(Array.from({ length: 20 }, () => client.set(path, large)));
    slowestMs = Math.max(slowestMs, performance.now() - beganMs);
    written += 20;
  }
  console.log(
    `readers: ${sockets.length} never read ${Math.round((written * large.length) / 1_000_000)} MB of changes; ${written} writes meanwhile, the slowest 20 took ${slowestMs.toFixed(0)} ms`,
  );
  for (const socket of sockets) socket.terminate();
  await client.close();
}

function neverReading(url: string): Promise<WebSocket> {
  const socket = new WebSocket(`${url}/v1`, "zabra.v1", { perMessageDeflate: false });
  const writer = new Writer();
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.once("message", () => {
      encodeClientMessage(writer, {
        type: "request",
        xid: 1,
        request: { type: "subscribe", stream: 1, path: "/", recursive: true, fromZxid: undefined, withData: true },
        level: { type: "session" },
        seq: 0,
        ackedSeq: 0,
        guards: [],
        deadlineMs: 0,
      });
      socket.send(writer.finish().slice());
      socket.pause();
      resolve(socket);
    });
    socket.on("open", () => {
      encodeClientMessage(writer, {
        type: "connect",
        session: 0 as SessionId,
        password: new Uint8Array(0),
        timeoutMs: 60_000,
        lastZxid: 0 as Zxid,
        clientVersion: "never reads",
      });
      socket.send(writer.finish().slice());
      writer.reset();
    });
  });
}
