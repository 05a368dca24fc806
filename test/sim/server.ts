/**
 * One simulated machine with its server process: the real replica over a virtual disk, virtual
 * stores and three clocks. The driver's rule is held here as in a real server: a turn closes its
 * inbox first, then samples the clock. A pause may hit anywhere: between turns, between these two,
 * or between a turn and the performing of its effects. Restarts go through the real recovery code.
 */

import type { Disk, DiskOperation } from "../../src/log/disk.ts";
import { EpochRecordFile, epochRecordFiles } from "../../src/log/epoch-record.ts";
import type { ClientMessage } from "../../src/model/client-message.ts";
import type { Limits } from "../../src/model/limits.ts";
import { mutant } from "../../src/model/mutant.ts";
import { TokenSource } from "../../src/model/tokens.ts";
import { type ConnectionId, zeroEpoch } from "../../src/model/zxid.ts";
import type { Effects } from "../../src/replica/effects.ts";
import type { Event, Now, Protocol } from "../../src/replica/event.ts";
import type { EnsembleMember } from "../../src/replica/options.ts";
import { Replica } from "../../src/replica/replica.ts";
import type { Status } from "../../src/replica/status.ts";
import type { KeyValue } from "../../src/tree/key-value.ts";
import { DamagedStoreError } from "../../src/tree/store-error.ts";
import { recordKey } from "../../src/tree/store-keys.ts";
import { sealValue } from "../../src/tree/znode-codec.ts";
import type { SimClock } from "./clock.ts";
import { SimDisk } from "./disk.ts";
import { SimKeyValue } from "./key-value.ts";
import type { Connection, End, Network } from "./network.ts";
import type { PeerHost, PeerLinks } from "./peers.ts";
import { Platter } from "./platter.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";
import { describe, type Trace } from "./trace.ts";

/** Of a server whose times are the usual ones. */
const tickMs = 10;

/** Where in a turn a pause begins. */
export type PausePoint = "between turns" | "before the clock" | "before the effects";
export type PauseKind = "pause" | "suspend";

export interface ServerWatcher {
  started(server: SimServer): void;
  turned(server: SimServer, status: Status, effects: Effects): void;
  halted(server: SimServer, exitCode: number, reason: string, error: unknown): void;
  stopped(server: SimServer): void;
  /** What was wrong with it has made it stop. */
  noticed(server: SimServer, reason: string): void;
}

export interface ServerParts {
  readonly id: number;
  readonly ensemble: readonly EnsembleMember[];
  readonly limits: Limits;
  readonly leaseReads: boolean;
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly peers: PeerLinks;
  readonly clock: SimClock;
  readonly random: Random;
  readonly trace: Trace;
  readonly watcher: ServerWatcher;
  /** How many times the usual a tick takes. */
  readonly slow?: number;
  /** Whether checks look at `platter`. Each sync copies a file there. */
  readonly keepsPlatter: boolean;
  /** Each tick gives a turn, as in production. Otherwise only to a server that had none since: that is as good, and cheaper. */
  readonly everyTick: boolean;
}

export class SimServer implements PeerHost {
  readonly id: number;
  readonly clock: SimClock;
  readonly disk: SimDisk;
  readonly stores = new Map<string, SimKeyValue>();
  readonly #parts: ServerParts;
  readonly #name: string;
  readonly #tickMs: number;
  #replica: Replica | undefined;
  /** One a process: callbacks of a dead process find another number. */
  #incarnation = 0;
  #inbox: Event[] = [];
  #turnPlanned = false;
  #status: Status | undefined;
  /** The last turn had more to do than it could. */
  #goingOn = false;
  #busyUntil = 0;
  /** When its last turn was, in true time. */
  turnedAt = 0;
  #paused = false;
  /** Ends the pause that it is in. */
  #resume: (() => void) | undefined;
  #pendingPause: { point: PausePoint; ms: number; kind: PauseKind } | undefined;
  #connections = new Map<ConnectionId, { connection: Connection; end: End }>();
  #nextConnection = 1;
  #pumpAt = Infinity;
  turns = 0;
  /** Disk operations submitted before the present turn: an idle marker of the same turn may leave with a message. */
  submittedBefore = 0;
  /** The running process found no epoch record: no earlier one of this server can have promised anything. */
  startedFresh = false;
  readonly platter = new Platter();
  /** Mean extra latency of each disk operation (a fault). */
  slowDiskMs = 0;
  /** It stopped by itself and has not been started since. */
  halted = false;
  /** Its data was wiped or damaged, and not all have served since: whoever starts it does so with `--rejoin`. */
  lostData = false;
  /** A fault has made it right to stop for such a reason, once. */
  expectHalt: RegExp | undefined;
  /** Disk or store has failed, and the process hears of it in its next turn. */
  doomed = false;
  readonly #failing = new Map<"disk" | "store", string>();

  constructor(parts: ServerParts) {
    this.#parts = parts;
    this.id = parts.id;
    this.#name = `s${parts.id}`;
    this.clock = parts.clock;
    this.#tickMs = tickMs * (parts.slow ?? 1);
    this.disk = new SimDisk(parts.random.fork("disk"));
    parts.peers.add(this);
  }

  get voter(): boolean {
    return this.#parts.ensemble.some((member) => member.id === this.id && !member.observer);
  }

  get running(): boolean {
    return this.#replica !== undefined;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** It changes in turns alone. */
  status(): Status | undefined {
    this.#status ??= this.#replica?.status();
    return this.#status;
  }

  /** The directory of the log in use: as the platter's epoch record names it, or, while it is down, as the next process will read it. */
  get logDirectory(): string {
    const opening = EpochRecordFile.open(this.running ? this.platter : readOnly(this.disk), new TokenSource());
    return `log-${opening.type === "ok" ? opening.record.generation : 1}`;
  }

  get logBytes(): number {
    const directory = this.logDirectory;
    return this.disk.list(directory).reduce((sum, file) => sum + (this.disk.size(`${directory}/${file}`) ?? 0), 0);
  }

  // ---- life

  start(rejoin = false): void {
    if (this.running) return;
    const { scheduler, random, trace } = this.#parts;
    this.halted = false;
    this.doomed = false;
    this.#incarnation += 1;
    this.#inbox = [];
    this.#turnPlanned = false;
    this.#paused = false;
    this.#pendingPause = undefined;
    this.startedFresh = epochRecordFiles.every((file) => this.disk.size(file) === undefined);
    if (trace.on) trace.line(this.#name, "start", rejoin ? "rejoin" : "");
    try {
      this.#replica = new Replica(
        {
          id: this.id,
          ensemble: this.#parts.ensemble,
          rejoin,
          leaseReads: this.#parts.leaseReads,
          limits: this.#parts.limits,
          boot: random.next() * 4096 + this.#incarnation,
          foundAboveEpoch: zeroEpoch,
          freshClusterId: `c${random.next().toString(16)}`,
        },
        { disk: this.#driver(), openStore: (directory, anew) => this.#openStore(directory, anew) },
      );
    } catch (error) {
      this.#halt(70, `start: ${error instanceof Error ? error.message : String(error)}`, error);
      return;
    }
    this.#parts.watcher.started(this);
    this.#parts.peers.start(this.id);
    const incarnation = this.#incarnation;
    scheduler.after(random.float() * this.#tickMs, () => this.#tick(incarnation));
  }

  /** A power cut; `silent`: the machine goes too, so that nobody is told. */
  crash(silent: boolean): void {
    if (!this.running) return;
    if (this.#parts.trace.on) this.#parts.trace.line(this.#name, "crash", silent ? "silent" : "");
    this.#stop(silent);
    this.#cutPower();
  }

  /** kill -9: what the process wrote stays in the page cache, synced or not. */
  kill(): void {
    if (!this.running) return;
    if (this.#parts.trace.on) this.#parts.trace.line(this.#name, "kill", "");
    this.#stop(false);
    this.#endProcess();
  }

  #endProcess(): void {
    this.disk.kill();
    this.platter.forgetPending();
    for (const store of this.stores.values()) store.kill();
  }

  #cutPower(): void {
    this.disk.crash();
    this.platter.settle(this.disk.snapshotFiles());
    for (const store of this.stores.values()) store.crash();
  }

  /** The data directory is lost. */
  wipe(): void {
    if (this.running) this.crash(false);
    if (this.#parts.trace.on) this.#parts.trace.line(this.#name, "wipe", "");
    this.disk.wipe();
    this.platter.settle(new Map());
    this.stores.clear();
  }

  /** Stops the process for `ms`; with `suspend` the machine and its monotonic clock too. */
  pause(ms: number, kind: PauseKind, point: PausePoint): void {
    if (!this.running || this.#paused) return;
    if (point === "between turns") this.#pauseNow(ms, kind, () => undefined);
    else this.#pendingPause = { point, ms, kind };
  }

  #stop(silent: boolean): void {
    this.#replica = undefined;
    this.#status = undefined;
    this.#incarnation += 1;
    this.#inbox = [];
    if (this.#paused) this.clock.resume(this.#parts.scheduler.now);
    this.#paused = false;
    this.#parts.peers.stop(this.id, silent);
    for (const { connection, end } of this.#connections.values()) this.#parts.network.reset(connection, end, silent);
    this.#connections.clear();
    this.#parts.watcher.stopped(this);
  }

  #halt(exitCode: number, reason: string, error: unknown): void {
    if (this.#parts.trace.on) this.#parts.trace.line(this.#name, "halt", `${exitCode} ${reason}`);
    this.#stop(false);
    // The machine may go on: then what its failed sync left in the page cache is what the next process reads.
    if (this.disk.cleanSectors > 0 || [...this.stores.values()].some((store) => store.orphans)) this.#endProcess();
    else this.#cutPower();
    this.halted = true;
    this.#parts.watcher.noticed(this, reason);
    if (this.expectHalt?.test(reason)) this.expectHalt = undefined;
    else this.#parts.watcher.halted(this, exitCode, reason, error);
  }

  // ---- drivers

  #openStore(directory: string, anew: boolean): KeyValue {
    let store = this.stores.get(directory);
    if (store !== undefined && anew) store.wipe();
    if (store?.condemned !== undefined) throw new DamagedStoreError(store.condemned);
    if (store === undefined) {
      store = new SimKeyValue(this.#parts.random.fork(`store ${directory}`));
      this.stores.set(directory, store);
    }
    return store;
  }

  /** The disk as the replica sees it: removing a directory removes the store in it as well. */
  #driver(): Disk {
    const disk = this.disk;
    return {
      list: (directory) =>
        directory === "" ? [...new Set([...disk.list(""), ...this.stores.keys()])].sort() : disk.list(directory),
      size: (file) => disk.size(file),
      read: (file, offset, length) => disk.read(file, offset, length),
      submit: (operation) => this.#submit(operation),
      freeBytes: () => disk.freeBytes(),
    };
  }

  #submit(operation: DiskOperation): void {
    if (operation.type === "remove") this.stores.delete(operation.file);
    if (this.slowDiskMs > 0) this.disk.stall(this.#parts.scheduler.now + this.#parts.random.float() * 2 * this.slowDiskMs);
    if (this.#parts.keepsPlatter) this.platter.submitted(operation);
    this.disk.submit(operation);
  }

  // ---- faults of disk and store

  /** The next completion is a failure for this reason; undefined takes it back. */
  failNext(what: "disk" | "store", reason: string | undefined): void {
    if (reason === undefined) this.#failing.delete(what);
    else this.#failing.set(what, reason);
  }

  /** The kernel's answer to an operation: a driver that asks again is told that all is well, and it is not. */
  #fails(what: "disk" | "store"): boolean {
    const reason = this.#failing.get(what);
    if (reason === undefined) return false;
    this.#failing.delete(what);
    if (mutant(what === "disk" ? "a failed sync is tried again" : "a failed store commit is ignored")) return true;
    // Disk and store may fail in one turn: the process ends for whichever it hears of first.
    this.expectHalt = new RegExp(this.expectHalt === undefined ? reason : `${this.expectHalt.source}|${reason}`);
    this.doomed = true;
    if (reason === "EIO") this.disk.failSync(this.#parts.scheduler.now);
    this.deliver(what === "disk" ? { type: "diskFailed", reason } : { type: "storeFailed", reason });
    return true;
  }

  /** While it is down: its tree becomes another than the log makes, and no checksum tells. False when it has no tree yet. */
  tamperTree(): boolean {
    const store = this.stores.get(this.logDirectory.replace("log-", "store-"));
    const key = recordKey("tree");
    return (
      store?.overwrite(key, (value) => {
        const last = value.length - 1;
        value[last] = (value[last] ?? 0) ^ 1;
        sealValue(key, value, 0, value.length);
      }) ?? false
    );
  }

  endStall(): void {
    this.disk.unstall(this.#parts.scheduler.now);
    this.#pumpAt = Infinity;
    this.#planPump();
  }

  /** No client of this server reads, or all read again. False when there is none. */
  slowConsumer(slow: boolean): boolean {
    for (const connection of this.#connections.keys()) this.deliver({ type: "clientWritable", connection, writable: !slow });
    return this.#connections.size > 0;
  }

  /** Hands over what disk and stores have finished, and comes back when more may be. */
  #pump(): void {
    const now = this.#parts.scheduler.now;
    if (this.#failing.size > 0 && this.#pumpFailing(now)) return;
    for (const token of this.disk.advance(now)) {
      this.platter.completed(token, this.disk);
      this.deliver({ type: "diskDone", token });
    }
    for (const store of this.stores.values()) {
      for (const event of store.advance(now)) this.deliver(event);
    }
  }

  /** True when nothing more completes: the process is about to end. */
  #pumpFailing(now: number): boolean {
    const due = this.disk.nextCompletionMs();
    if (due !== undefined && due <= now && this.#fails("disk")) {
      if (!mutant("a failed sync is tried again")) return true;
      for (const token of this.disk.advanceUnsynced(now)) this.deliver({ type: "diskDone", token });
    }
    for (const store of this.stores.values()) {
      const next = store.nextDueMs();
      if (next === undefined || next > now || !this.#fails("store")) continue;
      if (!mutant("a failed store commit is ignored")) {
        store.failSync(now);
        return true;
      }
      store.loseNextCommit();
    }
    return false;
  }

  #planPump(): void {
    const now = this.#parts.scheduler.now;
    let due = this.disk.nextCompletionMs() ?? Infinity;
    for (const store of this.stores.values()) due = Math.min(due, store.nextDueMs() ?? Infinity);
    if (due === Infinity || due >= this.#pumpAt) return;
    const at = Math.max(due, now);
    this.#pumpAt = at;
    const incarnation = this.#incarnation;
    this.#parts.scheduler.at(at, () => {
      if (this.#pumpAt === at) this.#pumpAt = Infinity;
      if (this.#incarnation !== incarnation) return;
      this.#pump();
      this.#planPump();
    });
  }

  // ---- events and turns

  deliver(event: Event): void {
    if (!this.running) return;
    this.#inbox.push(event);
    this.#planTurn(0);
  }

  #planTurn(delay: number): void {
    if (this.#turnPlanned || this.#paused || !this.running) return;
    this.#turnPlanned = true;
    const { scheduler, random } = this.#parts;
    const at = Math.max(scheduler.now + delay, this.#busyUntil) + random.float() * 0.05;
    const incarnation = this.#incarnation;
    scheduler.at(at, () => {
      if (this.#incarnation !== incarnation) return;
      this.#turnPlanned = false;
      if (!this.#paused) this.#turn();
    });
  }

  #tick(incarnation: number): void {
    if (this.#incarnation !== incarnation) return;
    const { scheduler, everyTick } = this.#parts;
    const everyMs = this.#tickMs / this.clock.rate;
    const leftMs = everyTick ? 0 : this.turnedAt + everyMs - scheduler.now;
    // Less than this is nothing but rounding.
    const due = leftMs < 0.01;
    if (everyTick) this.#planTurn(0);
    else if (due && !this.#paused && !this.#turnPlanned) this.#turn();
    if (this.#incarnation === incarnation) scheduler.after(due ? everyMs : leftMs, () => this.#tick(incarnation));
  }

  #turn(): void {
    const planned = this.#pendingPause;
    if (planned?.point === "before the clock" && this.#inbox.length > 0) {
      this.#pendingPause = undefined;
      this.#turnWithPause(planned.ms, planned.kind);
      return;
    }
    this.#pump();
    const events = this.#takeInbox();
    this.#run(this.#sampleClock(), events);
  }

  /** The inbox is closed, the process stands still, and only then is the clock sampled. */
  #turnWithPause(ms: number, kind: PauseKind): void {
    if (mutant("clock before inbox")) {
      const now = this.#sampleClock();
      this.#pauseNow(ms, kind, () => this.#run(now, this.#takeInbox()));
      return;
    }
    const events = this.#takeInbox();
    this.#pauseNow(ms, kind, () => this.#run(this.#sampleClock(), events));
  }

  #takeInbox(): Event[] {
    const events = this.#inbox;
    this.#inbox = [];
    return events;
  }

  #sampleClock(): Now {
    return this.clock.now(this.#parts.scheduler.now);
  }

  #pauseNow(ms: number, kind: PauseKind, then: () => void): void {
    const { scheduler, trace } = this.#parts;
    if (trace.on) trace.line(this.#name, kind, `${ms.toFixed(1)} ms`);
    this.#paused = true;
    if (kind === "suspend") this.clock.suspend(scheduler.now);
    const incarnation = this.#incarnation;
    const resume = (): void => {
      if (this.#incarnation !== incarnation || this.#resume !== resume) return;
      this.#resume = undefined;
      if (kind === "suspend") this.clock.resume(scheduler.now);
      this.#paused = false;
      if (trace.on) trace.line(this.#name, "resumed", "");
      then();
      this.#planTurn(0);
    };
    this.#resume = resume;
    scheduler.after(ms, resume);
  }

  /** Ends a pause, and takes back one that was to come. */
  wake(): void {
    this.#pendingPause = undefined;
    this.#resume?.();
  }

  #run(now: Now, events: readonly Event[]): void {
    const replica = this.#replica;
    if (replica === undefined) return;
    this.turns += 1;
    this.turnedAt = this.#parts.scheduler.now;
    this.submittedBefore = this.disk.submitted;
    this.#status = undefined;
    let effects: Effects;
    try {
      effects = replica.turn(now, events);
    } catch (error) {
      this.#halt(70, error instanceof Error ? error.message : String(error), error);
      return;
    }
    this.#busyUntil = this.#parts.scheduler.now + 0.01 + 0.002 * events.length;
    // What nothing came into and nothing came out of has changed nothing that can be seen.
    const idle = events.length === 0 && !this.#goingOn && isEmpty(effects);
    this.#goingOn = effects.again;
    if (idle) return this.#planPump();
    const planned = this.#pendingPause;
    if (planned?.point === "before the effects" && hasSends(effects)) {
      this.#pendingPause = undefined;
      this.#pauseNow(planned.ms, planned.kind, () => this.#perform(effects));
      return;
    }
    this.#perform(effects);
  }

  #perform(effects: Effects): void {
    const { trace, watcher, peers, network } = this.#parts;
    if (trace.on) this.#traceEffects(effects);
    trace.mix(this.id, effects.peerSends.length, effects.clientSends.length);
    for (const send of effects.peerSends) peers.send(this.id, send.peer, send.link, send.message);
    for (const close of effects.peerCloses) peers.close(this.id, close.peer, close.link);
    for (const send of effects.clientSends) {
      const client = this.#connections.get(send.connection);
      if (client !== undefined) network.send(client.connection, client.end, send.message);
    }
    for (const close of effects.clientCloses) this.#closeClient(close.connection);
    for (const send of effects.clientSends) if (send.message.type === "refused") this.#closeClient(send.connection);
    const status = this.status();
    if (status === undefined) return;
    trace.mix(
      status.lastLoggedZxid % 0x1_0000_0000,
      status.lastCommittedZxid % 0x1_0000_0000,
      status.lastAppliedZxid % 0x1_0000_0000,
    );
    watcher.turned(this, status, effects);
    if (effects.halt !== undefined) {
      this.#halt(effects.halt.exitCode, effects.halt.reason, undefined);
      return;
    }
    this.#planPump();
    if (effects.again) this.#planTurn(0);
  }

  #traceEffects(effects: Effects): void {
    const { trace } = this.#parts;
    for (const line of effects.logLines) trace.line(this.#name, `log ${line.level}`, `${line.message} ${describe(line.fields)}`);
    for (const send of effects.peerSends) trace.line(this.#name, `→ s${send.peer}`, describe(send.message));
    for (const close of effects.peerCloses) trace.line(this.#name, "drop link", `s${close.peer} ${close.reason}`);
    for (const send of effects.clientSends) trace.line(this.#name, `→ conn ${send.connection}`, describe(send.message));
    for (const close of effects.clientCloses) trace.line(this.#name, "close", `conn ${close.connection} ${close.reason}`);
  }

  // ---- clients

  /** The server's end of a client's connection, ready at `ready`. */
  accept(connection: Connection, end: End, ready: number, protocol: Protocol = "native"): void {
    const incarnation = this.#incarnation;
    const id = this.#nextConnection;
    this.#nextConnection += 1;
    connection.handlers[end] = {
      message: (payload) => {
        if (this.#connections.has(id)) this.deliver({ type: "clientMessage", connection: id, message: payload as ClientMessage });
      },
      lost: () => this.#clientLost(id),
    };
    this.#parts.scheduler.at(ready, () => {
      if (this.#incarnation !== incarnation || !connection.open[end]) {
        this.#parts.network.reset(connection, end);
        return;
      }
      this.#connections.set(id, { connection, end });
      this.deliver({
        type: "clientConnected",
        connection: id,
        protocol,
        identities: [{ scheme: "world", id: "anyone" }],
      });
    });
  }

  #clientLost(id: ConnectionId): void {
    if (!this.#connections.delete(id)) return;
    this.deliver({ type: "clientClosed", connection: id });
  }

  #closeClient(id: ConnectionId): void {
    const client = this.#connections.get(id);
    if (client === undefined) return;
    this.#parts.network.close(client.connection, client.end);
    this.#clientLost(id);
  }
}

/** Opening a record for a look asks for changes: they are not made. */
function readOnly(disk: Disk): Disk {
  return {
    list: (directory) => disk.list(directory),
    size: (file) => disk.size(file),
    read: (file, offset, length) => disk.read(file, offset, length),
    submit: () => undefined,
    freeBytes: () => disk.freeBytes(),
  };
}

function hasSends(effects: Effects): boolean {
  return effects.peerSends.length + effects.clientSends.length > 0;
}

function isEmpty(effects: Effects): boolean {
  const { peerSends, peerCloses, clientSends, clientCloses, logLines, halt, again } = effects;
  const count = peerSends.length + peerCloses.length + clientSends.length + clientCloses.length + logLines.length;
  return count === 0 && halt === undefined && !again;
}
