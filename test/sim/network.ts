/**
 * TCP as the replica sees it: ordered connections over directed paths. A path may be blocked (cut or
 * clogged; blocks nest): data waits, and goes on in order when it is unblocked. A connection ends by a
 * close (after the data before it), a reset (data in flight is lost), the death of a process, or a
 * time-out at each end by itself while a direction stays blocked. The two ends learn at different times.
 * Invariant: an end gets messages in the order sent, a prefix of them, each once, and none after `lost`.
 */
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

export type NodeId = number;
export type End = 0 | 1;

export interface NetworkOptions {
  readonly latencyMs: number;
  readonly jitterMs: number;
  readonly tailChance: number;
  readonly tailMs: number;
  /** How long an end bears a blocked path before it gives the connection up, at least and at most. */
  readonly deadMinMs: number;
  readonly deadMaxMs: number;
}

export const calmNetwork: NetworkOptions = {
  latencyMs: 0.2,
  jitterMs: 0.2,
  tailChance: 0.001,
  tailMs: 20,
  deadMinMs: 800,
  deadMaxMs: 4_000,
};

export interface EndHandler {
  message(payload: unknown): void;
  lost(): void;
}

const fin = Symbol("fin");

interface Pipe {
  readonly from: NodeId;
  readonly to: NodeId;
  lastDelivery: number;
  /** Data that reached a blocked path. */
  held: unknown[];
  /** Raised by a reset: what was in flight before it is dropped. */
  generation: number;
}

export class Connection {
  readonly nodes: readonly [NodeId, NodeId];
  /** pipes[e] carries what end e sends. */
  readonly pipes: readonly [Pipe, Pipe];
  readonly open: [boolean, boolean] = [true, true];
  readonly handlers: [EndHandler | undefined, EndHandler | undefined] = [undefined, undefined];
  stall = 0;

  constructor(a: NodeId, b: NodeId, readyA: number, readyB: number) {
    this.nodes = [a, b];
    this.pipes = [
      { from: a, to: b, lastDelivery: readyB, held: [], generation: 0 },
      { from: b, to: a, lastDelivery: readyA, held: [], generation: 0 },
    ];
  }

  get anyOpen(): boolean {
    return this.open[0] || this.open[1];
  }
}

export class Network {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #blocks = new Map<number, number>();
  readonly #connections = new Set<Connection>();
  options: NetworkOptions;
  /** How many times the usual whoever cannot connect waits before it tries again. */
  patience = 1;

  constructor(scheduler: Scheduler, random: Random, options: NetworkOptions) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.options = options;
  }

  latency(): number {
    const o = this.options;
    const tail = this.#random.chance(o.tailChance) ? this.#random.float() * o.tailMs : 0;
    return o.latencyMs + this.#random.float() * o.jitterMs + tail;
  }

  isBlocked(from: NodeId, to: NodeId): boolean {
    return (this.#blocks.get(pathKey(from, to)) ?? 0) > 0;
  }

  /** Both directions pass: a dial can succeed. */
  canConnect(a: NodeId, b: NodeId): boolean {
    return !this.isBlocked(a, b) && !this.isBlocked(b, a);
  }

  /** Stops one direction until the matching `unblock`. */
  block(from: NodeId, to: NodeId): void {
    const key = pathKey(from, to);
    this.#blocks.set(key, (this.#blocks.get(key) ?? 0) + 1);
    for (const connection of this.#connections) {
      if (joins(connection, from, to)) this.#armDeath(connection);
    }
  }

  unblock(from: NodeId, to: NodeId): void {
    const key = pathKey(from, to);
    const count = this.#blocks.get(key) ?? 0;
    if (count === 0) return;
    this.#blocks.set(key, count - 1);
    if (count > 1) return;
    for (const connection of this.#connections) {
      if (!joins(connection, from, to)) continue;
      if (this.canConnect(from, to)) connection.stall += 1;
      this.#release(connection, connection.pipes[0]);
      this.#release(connection, connection.pipes[1]);
    }
  }

  unblockAll(): void {
    for (const [key, count] of [...this.#blocks]) {
      for (let i = 0; i < count; i += 1) this.unblock(Math.floor(key / 4096), key % 4096);
    }
  }

  /** A connection whose ends are ready (may receive) at these times. */
  connect(a: NodeId, b: NodeId, readyA: number, readyB: number): Connection {
    const connection = new Connection(a, b, readyA, readyB);
    this.#connections.add(connection);
    return connection;
  }

  send(connection: Connection, end: End, payload: unknown): void {
    if (!connection.open[end]) return;
    this.#transmit(connection, end, payload);
  }

  /** An orderly close by one end; what it sent before arrives first. */
  close(connection: Connection, end: End): void {
    if (!connection.open[end]) return;
    connection.open[end] = false;
    this.#transmit(connection, end, fin);
    if (!connection.anyOpen) this.#connections.delete(connection);
  }

  /** The end is gone at once and so is what it had in flight. The other end hears it, unless `silent`. */
  reset(connection: Connection, end: End, silent = false): void {
    if (!connection.open[end]) return;
    connection.open[end] = false;
    const pipe = connection.pipes[end];
    pipe.generation += 1;
    pipe.held = [];
    if (!connection.anyOpen) this.#connections.delete(connection);
    if (silent) this.#armDeath(connection, true);
    else this.#transmit(connection, end, fin);
  }

  /** Both ends lose the connection, each in its own time (a middlebox, an RST). */
  breakBoth(connection: Connection): void {
    for (const end of [0, 1] as const) {
      const pipe = connection.pipes[end];
      this.#scheduler.after(this.latency() * (1 + this.#random.below(5)), () => {
        pipe.generation += 1;
        pipe.held = [];
        this.#lose(connection, (1 - end) as End);
      });
    }
  }

  between(a: NodeId, b: NodeId): Connection[] {
    return [...this.#connections].filter((c) => joins(c, a, b));
  }

  #transmit(connection: Connection, end: End, payload: unknown): void {
    const pipe = connection.pipes[end];
    const time = Math.max(this.#scheduler.now + this.latency(), pipe.lastDelivery);
    pipe.lastDelivery = time;
    const generation = pipe.generation;
    this.#scheduler.at(time, () => {
      if (pipe.generation === generation) this.#arrive(connection, end, payload);
    });
  }

  #arrive(connection: Connection, end: End, payload: unknown): void {
    const pipe = connection.pipes[end];
    if (pipe.held.length > 0 || this.isBlocked(pipe.from, pipe.to)) {
      pipe.held.push(payload);
      return;
    }
    const to = (1 - end) as End;
    if (!connection.open[to]) {
      if (payload !== fin) this.#refuse(connection, end);
      return;
    }
    if (payload === fin) this.#lose(connection, to);
    else connection.handlers[to]?.message(payload);
  }

  /** Data met a closed end: an RST goes back. */
  #refuse(connection: Connection, end: End): void {
    const back = connection.pipes[1 - end] as Pipe;
    if (!connection.open[end] || this.isBlocked(back.from, back.to)) return;
    this.#scheduler.after(this.latency(), () => this.#lose(connection, end));
  }

  #lose(connection: Connection, end: End): void {
    if (!connection.open[end]) return;
    connection.open[end] = false;
    if (!connection.anyOpen) this.#connections.delete(connection);
    connection.handlers[end]?.lost();
    // An end that has lost the connection closes its socket; its peer hears of it.
    if (connection.anyOpen) this.#transmit(connection, end, fin);
  }

  #release(connection: Connection, pipe: Pipe): void {
    if (pipe.held.length === 0 || this.isBlocked(pipe.from, pipe.to)) return;
    const end = connection.pipes[0] === pipe ? 0 : 1;
    const held = pipe.held;
    pipe.held = [];
    // Retransmitted, before all that is still in flight.
    for (const payload of held) this.#arrive(connection, end, payload);
  }

  #armDeath(connection: Connection, gone = false): void {
    const stall = connection.stall;
    const o = this.options;
    for (const end of [0, 1] as const) {
      this.#scheduler.after(this.#random.between(o.deadMinMs, o.deadMaxMs), () => {
        if (gone || connection.stall === stall) this.#lose(connection, end);
      });
    }
  }
}

function joins(connection: Connection, a: NodeId, b: NodeId): boolean {
  const [x, y] = connection.nodes;
  return (x === a && y === b) || (x === b && y === a);
}

function pathKey(from: NodeId, to: NodeId): number {
  return from * 4096 + to;
}
