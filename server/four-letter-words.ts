/**
 * ZooKeeper's four-letter words: a TCP connection whose first four bytes are one of them gets a text, in the
 * form that tools parse, and is closed. Those that tell little and cost little are answered to anybody, the
 * rest when the configuration allows them; what is not allowed is refused in ZooKeeper's words. Trace masks
 * and digest logs have nothing here to show, so `gtmk`, `stmk` and `hash` never are.
 */
import { readdirSync } from "node:fs";
import type { Inspection } from "../src/replica/inspection.ts";
import type { Status } from "../src/replica/status.ts";
import type { RequestMeter } from "./request-meter.ts";
import { version } from "./version.ts";

export interface WordFacts {
  readonly status: Status;
  readonly voters: number;
  readonly observers: number;
  readonly uptimeMs: number;
  readonly meter: RequestMeter;
  readonly connections: readonly ConnectionFacts[];
  readonly inspect: () => Inspection;
  readonly settings: WordSettings;
  readonly readOnly: boolean;
}

/** One connection of the port. */
export interface ConnectionFacts {
  /** `1.2.3.4:567`. */
  readonly remote: string;
  readonly session: number;
  readonly timeoutMs: number;
  /** Wall clock. */
  readonly openedMs: number;
  readonly queued: number;
  readonly lastOperation: string;
  readonly lastXid: number;
  readonly lastZxid: number;
  readonly lastResponseMs: number;
  readonly meter: RequestMeter;
}

export interface WordSettings {
  readonly id: number;
  /** undefined: not open. */
  readonly port: number | undefined;
  readonly securePort: number | undefined;
  readonly dataDirectory: string;
  readonly logBytes: () => number;
  readonly storeBytes: () => number;
  readonly connectionsMax: number;
  readonly sessionTimeoutMsMin: number;
  readonly sessionTimeoutMsMax: number;
  readonly heartbeatMs: number;
  /** `server.1=host:port:port:participant`, one a member. */
  readonly members: readonly string[];
}

const answers: { readonly [word: string]: ((facts: WordFacts) => string) | undefined } = {
  ruok: () => "imok",
  isro: ({ status, readOnly }) => (status.serving ? "rw" : readOnly ? "ro" : "null"),
  envi: () => lines(["Environment:", ...environment().map(([key, value]) => `${key}=${value}`)]),
  srvr: serving((facts) => lines([versionLine, ...serverLines(facts)])),
  mntr: serving((facts) => lines(monitorValues(facts).map(([key, value]) => `zk_${key}\t${value}`))),
  stat: serving((facts) =>
    lines([versionLine, "Clients:", ...facts.connections.map(shortConnection), "", ...serverLines(facts)]),
  ),
  cons: serving((facts) => `${lines(facts.connections.map(longConnection))}\n`),
  conf: (facts) => lines(configurationLines(facts)),
  dirs: ({ settings }) => lines([`datadir_size: ${settings.storeBytes()}`, `logdir_size: ${settings.logBytes()}`]),
  dump: serving(dump),
  wchs: serving(watchSummary),
  wchc: serving(watchesByConnection),
  wchp: serving(watchesByPath),
  crst: ({ connections }) => {
    for (const { meter } of connections) meter.reset();
    return "Connection stats reset.\n";
  },
  srst: ({ meter }) => {
    meter.reset();
    return "Server stats reset.\n";
  },
};

const unanswered = ["gtmk", "stmk", "hash"];
const known = new Set([...Object.keys(answers), ...unanswered]);

/** `envi` besides ZooKeeper's usual ones: client libraries read the version from it to know what a server can do. */
export const defaultWords: readonly string[] = ["ruok", "isro", "srvr", "mntr", "envi"];

/** All that can be allowed. */
export const words: readonly string[] = Object.keys(answers);

/** Tools gate features on it, so it names the ZooKeeper release whose protocol we speak. */
const zooKeeperVersion = `3.9.3-zabra-${version}, built on 2026-01-01 00:00 UTC`;
const versionLine = `Zookeeper version: ${zooKeeperVersion}`;
const notServing = "This ZooKeeper instance is not currently serving requests\n";

export function isFourLetterWord(text: string): boolean {
  return known.has(text);
}

export function answerFourLetterWord(word: string, allowed: ReadonlySet<string>, facts: WordFacts): string {
  const answer = allowed.has(word) ? answers[word] : undefined;
  return answer?.(facts) ?? `${word} is not executed because it is not in the whitelist.\n`;
}

function serving(answer: (facts: WordFacts) => string): (facts: WordFacts) => string {
  return (facts) => (facts.status.serving || facts.readOnly ? answer(facts) : notServing);
}

function lines(texts: readonly string[]): string {
  return texts.length === 0 ? "" : `${texts.join("\n")}\n`;
}

// ---- server

function serverLines(facts: WordFacts): string[] {
  const { status, meter } = facts;
  const mode = modeOf(facts);
  return [
    ...(facts.readOnly ? ["READ-ONLY mode; serving only read-only clients"] : []),
    `Latency min/avg/max: ${Math.round(meter.minMs)}/${meter.averageMs.toFixed(4)}/${Math.round(meter.maxMs)}`,
    `Received: ${meter.received}`,
    `Sent: ${meter.sent}`,
    `Connections: ${facts.connections.length}`,
    `Outstanding: ${outstandingOf(facts)}`,
    `Zxid: ${hex(status.lastAppliedZxid)}`,
    `Mode: ${mode}`,
    `Node count: ${status.znodes}`,
    ...(mode === "leader" ? ["Proposal sizes last/min/max: -1/-1/-1"] : []),
  ];
}

function outstandingOf(facts: WordFacts): number {
  let queued = 0;
  for (const connection of facts.connections) queued += connection.queued;
  return queued;
}

function monitorValues(facts: WordFacts): (readonly [key: string, value: string | number])[] {
  const { status, meter } = facts;
  const values: (readonly [string, string | number])[] = [
    ["version", zooKeeperVersion],
    ["server_state", modeOf(facts)],
    ["avg_latency", meter.averageMs.toFixed(4)],
    ["max_latency", Math.round(meter.maxMs)],
    ["min_latency", Math.round(meter.minMs)],
    ["packets_received", meter.received],
    ["packets_sent", meter.sent],
    ["num_alive_connections", facts.connections.length],
    ["outstanding_requests", outstandingOf(facts)],
    ["znode_count", status.znodes],
    ["watch_count", status.watches],
    ["ephemerals_count", status.ephemerals],
    ["approximate_data_size", status.dataBytes],
    ["global_sessions", status.sessions],
    ["local_sessions", 0],
    ["uptime", facts.uptimeMs],
    ["quorum_size", facts.voters],
  ];
  const files = openFiles();
  if (files !== undefined) values.push(["open_file_descriptor_count", files]);
  if (status.role === "leading") values.push(...leaderValues(facts));
  return values;
}

/** Our links are up or down, never half synchronised for long, so a linked server counts as synced. */
function leaderValues(facts: WordFacts): (readonly [string, number])[] {
  const { peers } = facts.status;
  const voters = Math.min(peers.length, facts.voters - 1);
  return [
    ["learners", peers.length],
    ["synced_followers", voters],
    ["synced_non_voting_followers", 0],
    ["synced_observers", peers.length - voters],
    ["pending_syncs", 0],
    ["leader_uptime", facts.uptimeMs],
    ["outstanding_proposals", facts.status.outstanding],
  ];
}

function openFiles(): number | undefined {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return undefined; // Not a Linux.
  }
}

function modeOf(facts: WordFacts): string {
  switch (facts.status.role) {
    case "leading":
      return facts.voters + facts.observers === 1 ? "standalone" : "leader";
    case "following":
      return "follower";
    case "observing":
      return "observer";
    case "looking":
      return facts.readOnly ? "read-only" : "looking";
  }
}

function environment(): (readonly [string, string])[] {
  return [
    ["zookeeper.version", zooKeeperVersion],
    ["java.version", "none"],
    ["node.version", process.version],
    ["os.name", process.platform],
    ["os.arch", process.arch],
  ];
}

function configurationLines({ settings, voters, observers }: WordFacts): string[] {
  const lines = [
    `clientPort=${settings.port ?? -1}`,
    `secureClientPort=${settings.securePort ?? -1}`,
    `dataDir=${settings.dataDirectory}`,
    `dataDirSize=${settings.storeBytes()}`,
    `dataLogDir=${settings.dataDirectory}`,
    `dataLogSize=${settings.logBytes()}`,
    `tickTime=${settings.heartbeatMs}`,
    `maxClientCnxns=${settings.connectionsMax}`,
    `minSessionTimeout=${settings.sessionTimeoutMsMin}`,
    `maxSessionTimeout=${settings.sessionTimeoutMsMax}`,
    "clientPortListenBacklog=-1",
    `serverId=${settings.id}`,
  ];
  return voters + observers === 1 ? lines : [...lines, "membership: ", ...settings.members];
}

// ---- connections

function shortConnection(connection: ConnectionFacts): string {
  const { remote, session, queued, meter } = connection;
  return ` /${remote}[${session === 0 ? 0 : 1}](queued=${queued},recved=${meter.received},sent=${meter.sent})`;
}

function longConnection(connection: ConnectionFacts): string {
  const { remote, session, queued, meter } = connection;
  const parts = [`queued=${queued}`, `recved=${meter.received}`, `sent=${meter.sent}`];
  if (session !== 0)
    parts.push(
      `sid=${hex(session)}`,
      `lop=${connection.lastOperation}`,
      `est=${connection.openedMs}`,
      `to=${connection.timeoutMs}`,
      `lcxid=${hex(connection.lastXid >>> 0)}`,
      `lzxid=${hex(connection.lastZxid)}`,
      `lresp=${connection.lastResponseMs}`,
      `llat=${Math.round(meter.lastMs)}`,
      `minlat=${Math.round(meter.minMs)}`,
      `avglat=${Math.round(meter.averageMs)}`,
      `maxlat=${Math.round(meter.maxMs)}`,
    );
  return ` /${remote}[${session === 0 ? 0 : 1}](${parts.join(",")})`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

// ---- sessions and watches

/** Deadlines are the leader's and rounded there; what is shown is the sessions' timeouts. */
function dump(facts: WordFacts): string {
  const { sessions } = facts.inspect();
  const owners = sessions.filter(({ ephemerals }) => ephemerals.length > 0);
  const byTimeout = new Map<number, string[]>();
  for (const { id, timeoutMs } of sessions) {
    const ids = byTimeout.get(timeoutMs) ?? [];
    if (ids.push(`\t${hex(id)}`) === 1) byTimeout.set(timeoutMs, ids);
  }
  const sets = [...byTimeout].flatMap(([timeoutMs, ids]) => [
    `${ids.length} expire ${timeoutMs} ms after their last touch:`,
    ...ids,
  ]);
  return lines([
    "SessionTracker dump:",
    `Session Sets (${byTimeout.size})/(${sessions.length}):`,
    ...sets,
    "ephemeral nodes dump:",
    `Sessions with Ephemerals (${owners.length}):`,
    ...owners.flatMap(({ id, ephemerals }) => [`${hex(id)}:`, ...ephemerals.map((path) => `\t${path}`)]),
    "Connections dump:",
    ...facts.connections.map(longConnection),
  ]);
}

function watchSummary(facts: WordFacts): string {
  const { watches } = facts.inspect();
  const paths = new Set(watches.flatMap((each) => each.paths));
  return lines([`${watches.length} connections watching ${paths.size} paths`, `Total watches:${facts.status.watches}`]);
}

function watchesByConnection(facts: WordFacts): string {
  const { watches } = facts.inspect();
  return lines(watches.flatMap(({ session, paths }) => [hex(session), ...paths.map((path) => `\t${path}`)]));
}

function watchesByPath(facts: WordFacts): string {
  const byPath = new Map<string, string[]>();
  for (const { session, paths } of facts.inspect().watches)
    for (const path of paths) byPath.set(path, [...(byPath.get(path) ?? []), `\t${hex(session)}`]);
  return lines([...byPath].flatMap(([path, sessions]) => [path, ...sessions]));
}
