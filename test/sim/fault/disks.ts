/** Faults of disks and stores: slow, hung, full, failing, damaged at rest, lost. */
import { batchHeaderBytes } from "../../../src/log/format.ts";
import { recover } from "../../../src/log/recovery.ts";
import type { SimServer } from "../server.ts";
import { type Fault, type FaultTools, victim } from "./tools.ts";

const slowDisk: Fault = (tools) => {
  const server = victim(tools);
  server.slowDiskMs = tools.random.logBetween(2, 400);
  tools.during(tools.duration(), () => {
    server.slowDiskMs = 0;
  });
  return true;
};

/** Nothing completes for longer than a leader may wait for its own disk. */
const hungDisk: Fault = (tools) => {
  const server = victim(tools);
  const ms = tools.random.between(200, 3_000) * tools.cluster.slow;
  server.disk.stall(tools.cluster.scheduler.now + ms);
  tools.during(ms, () => server.endStall());
  return true;
};

/** Below the reserve the leader refuses writes and goes on serving reads. */
const fullDisk: Fault = (tools) => {
  const server = victim(tools);
  server.disk.setFreeBytes(0);
  tools.during(tools.duration(), () => server.disk.setFreeBytes(2 ** 40));
  return true;
};

/** The next operation fails: the process must end, and what was not synced is gone. */
function failing(what: "disk" | "store", reason: string): Fault {
  return (tools) => {
    const server = victim(tools);
    if (!server.running) return false;
    server.failNext(what, reason);
    tools.during(400, () => server.failNext(what, undefined));
    tools.restartLater(server);
    return true;
  };
}

const wipe: Fault = (tools) => {
  const server = tools.random.pick(tools.cluster.servers);
  if (!tools.mayLoseData(server)) return false;
  tools.lostData(server);
  server.wipe();
  tools.cluster.checks.wiped(server);
  tools.restartLater(server);
  return true;
};

/**
 * One bit of a record that was proved durable, while the server is down. It must be found at the next
 * start: the server stops, and comes back with `--rejoin`.
 */
const bitFlip: Fault = (tools) => {
  const server = tools.random.pick(tools.cluster.servers);
  if (!server.running || !tools.mayLoseData(server)) return false;
  if (flippable(tools, server) === undefined) return false;
  server.kill();
  const place = flippable(tools, server);
  if (place !== undefined) {
    server.disk.flipBit(place.file, place.offset, tools.random.below(8));
    server.platter.settle(server.disk.snapshotFiles());
    tools.lostData(server);
    tools.cluster.checks.neverLost.onWipe(server.id);
    server.expectHalt = /damaged/;
    tools.cluster.checks.damage.damaged(server.id);
    server.start();
  }
  tools.restartLater(server);
  return true;
};

/** A byte of a sealed segment of its log, or of the open one before the marker that proves all of it, which nothing proves itself; no padding. */
function flippable(tools: FaultTools, server: SimServer): { file: string; offset: number } | undefined {
  const found = recover(server.disk, server.logDirectory);
  if (found.type !== "ok") return undefined;
  const proven = found.segments.filter((_, i) => i < found.segments.length - 1 || found.proven === found.last);
  const segment = proven.length === 0 ? undefined : tools.random.pick(proven);
  if (segment === undefined) return undefined;
  const provenEnd = segment === found.segments.at(-1) ? segment.end - batchHeaderBytes : segment.end;
  if (provenEnd <= 0) return undefined;
  const bytes = server.disk.read(segment.file, 0, provenEnd);
  for (let tries = 0; tries < 40; tries += 1) {
    const offset = tools.random.below(bytes.length);
    if (bytes[offset] !== 0) return { file: segment.file, offset };
  }
  return undefined;
}

export const diskFaults = {
  "slow disk": slowDisk,
  "hung disk": hungDisk,
  "full disk": fullDisk,
  EIO: failing("disk", "EIO"),
  ENOSPC: failing("disk", "ENOSPC"),
  "store failure": failing("store", "MDB_PANIC"),
  wipe,
  "bit flip": bitFlip,
  /** Its tree differs from the others' although every checksum is right: it must be fenced, and synchronised anew. */
  "other tree": (tools) => {
    const server = tools.random.pick(tools.cluster.servers);
    if (!server.running || !tools.mayLoseData(server)) return false;
    server.kill();
    const tampered = server.tamperTree();
    if (tampered) tools.tampered();
    tools.restartLater(server);
    return tampered;
  },
  "garbage sectors": (tools) => {
    const server = tools.random.pick(tools.cluster.servers);
    if (!server.running) return false;
    server.disk.nextCrash({ lostProbability: 0.2, tornProbability: 0.2, garbageProbability: 0.5 });
    return tools.crash(server, "crash");
  },
  "torn sectors": (tools) => {
    const server = tools.random.pick(tools.cluster.servers);
    if (!server.running) return false;
    server.disk.nextCrash({ lostProbability: 0.1, tornProbability: 0.8, garbageProbability: 0 });
    return tools.crash(server, "crash");
  },
  "lost writes": (tools) => {
    const server = tools.random.pick(tools.cluster.servers);
    if (!server.running) return false;
    server.disk.nextCrash({ lostProbability: 1, tornProbability: 0, garbageProbability: 0 });
    return tools.crash(server, "crash");
  },
} satisfies Record<string, Fault>;
