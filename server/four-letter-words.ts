/**
 * ZooKeeper's four-letter words: a TCP connection whose first four bytes are one of them gets a text
 * and is closed. Those that tell little and cost little are answered; the rest is refused in ZooKeeper's words.
 */
import type { Status } from "../src/replica/status.ts";
import { version } from "./version.ts";

export interface WordFacts {
  readonly status: Status;
  readonly voters: number;
  readonly uptimeMs: number;
  readonly packetsReceived: number;
  readonly packetsSent: number;
}

const known = new Set([
  "conf",
  "cons",
  "crst",
  "dirs",
  "dump",
  "envi",
  "gtmk",
  "hash",
  "isro",
  "mntr",
  "ruok",
  "srst",
  "srvr",
  "stat",
  "stmk",
  "wchc",
  "wchp",
  "wchs",
]);

/** Tools gate features on it, so it names the ZooKeeper release whose protocol we speak. */
const zooKeeperVersion = `3.9.3-zabra-${version}, built on 2026-01-01 00:00 UTC`;
const notServing = "This ZooKeeper instance is not currently serving requests\n";

export function isFourLetterWord(text: string): boolean {
  return known.has(text);
}

export function answerFourLetterWord(word: string, facts: WordFacts): string {
  switch (word) {
    case "ruok":
      return "imok";
    case "isro":
      return facts.status.serving ? "rw" : "null";
    case "envi":
      return `Environment:\nzookeeper.version=${zooKeeperVersion}\n`;
    case "srvr":
      return facts.status.serving ? serverLines(facts) : notServing;
    case "mntr":
      return facts.status.serving ? monitorLines(facts) : notServing;
    default:
      return `${word} is not executed because it is not in the whitelist.\n`;
  }
}

function serverLines(facts: WordFacts): string {
  const { status } = facts;
  return lines([
    `Zookeeper version: ${zooKeeperVersion}`,
    "Latency min/avg/max: 0/0.0000/0",
    `Received: ${facts.packetsReceived}`,
    `Sent: ${facts.packetsSent}`,
    `Connections: ${status.connections}`,
    `Outstanding: ${status.outstanding}`,
    `Zxid: 0x${status.lastAppliedZxid.toString(16)}`,
    `Mode: ${modeOf(facts)}`,
    `Node count: ${status.znodes}`,
  ]);
}

function monitorLines(facts: WordFacts): string {
  const { status } = facts;
  const values: (readonly [string, string | number])[] = [
    ["version", zooKeeperVersion],
    ["server_state", modeOf(facts)],
    ["packets_received", facts.packetsReceived],
    ["packets_sent", facts.packetsSent],
    ["num_alive_connections", status.connections],
    ["outstanding_requests", status.outstanding],
    ["znode_count", status.znodes],
    ["watch_count", status.watches],
    ["ephemerals_count", status.ephemerals],
    ["global_sessions", status.sessions],
    ["local_sessions", 0],
    ["uptime", facts.uptimeMs],
    ["quorum_size", facts.voters],
  ];
  if (status.role === "leading") values.push(["learners", status.peers.length], ["synced_followers", status.peers.length]);
  return lines(values.map(([key, value]) => `zk_${key}\t${value}`));
}

function lines(texts: readonly string[]): string {
  return `${texts.join("\n")}\n`;
}

function modeOf(facts: WordFacts): string {
  switch (facts.status.role) {
    case "leading":
      return facts.voters === 1 ? "standalone" : "leader";
    case "following":
      return "follower";
    case "observing":
      return "observer";
    case "looking":
      return "looking";
  }
}
