/**
 * The links between servers, as a peer transport keeps them: one connection a pair, dialled again
 * until it stands, link numbers that rise, messages encoded once and decoded at each receiver (no
 * object is shared). An old half-open end is told `peerLost` before the new link's `peerConnected`.
 */
import type { Event } from "../../src/replica/event.ts";
import type { PeerMessage } from "../../src/zab/message.ts";
import type { Connection, End, Network, NodeId } from "./network.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

export interface PeerCodec {
  encode(message: PeerMessage): Uint8Array;
  decode(bytes: Uint8Array): PeerMessage;
}

/** A server's process as its links see it. */
export interface PeerHost {
  readonly id: NodeId;
  /** The process runs (paused counts as running: its kernel accepts). */
  readonly running: boolean;
  deliver(event: Event): void;
}

export type SendHook = (from: NodeId, to: NodeId, message: PeerMessage) => void;

interface LinkEnd {
  readonly connection: Connection;
  readonly end: End;
  readonly link: number;
}

interface Frame {
  readonly link: number;
  readonly message: PeerMessage;
}

export interface KeptFrames {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly frames: readonly Frame[];
}

const framesKept = 24;

export class PeerLinks {
  readonly #network: Network;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #hosts = new Map<NodeId, PeerHost>();
  readonly #ends = new Map<number, LinkEnd>();
  readonly #dialling = new Set<number>();
  readonly #codec: PeerCodec | undefined;
  /** The last frames that reached each server from each other one. */
  readonly #recent = new Map<number, Frame[]>();
  #links = 0;
  #lastMessage: PeerMessage | undefined;
  #lastBytes: Uint8Array | undefined;
  /** Before a message leaves its server. */
  readonly sendHooks: SendHook[] = [];
  /** Before a message is put into its receiver's inbox. */
  readonly deliverHooks: SendHook[] = [];
  messages = 0;
  /** Costs a little: on only where frames are replayed. */
  rememberFrames = false;

  constructor(network: Network, scheduler: Scheduler, random: Random, codec: PeerCodec | undefined) {
    this.#network = network;
    this.#scheduler = scheduler;
    this.#random = random;
    this.#codec = codec;
  }

  add(host: PeerHost): void {
    this.#hosts.set(host.id, host);
  }

  /** The process of `id` has started: it dials, and is dialled. */
  start(id: NodeId): void {
    for (const other of this.#hosts.keys()) {
      if (other !== id) this.#dialLater(id, other, this.#random.between(0.5, 5));
    }
  }

  /** The process is gone. `silent`: the machine with it, nobody is told. */
  stop(id: NodeId, silent: boolean): void {
    for (const other of this.#hosts.keys()) {
      const mine = this.#ends.get(pair(id, other));
      if (mine === undefined) continue;
      this.#ends.delete(pair(id, other));
      this.#network.reset(mine.connection, mine.end, silent);
    }
  }

  send(from: NodeId, to: NodeId, link: number, message: PeerMessage): void {
    const mine = this.#ends.get(pair(from, to));
    if (mine === undefined || mine.link !== link) return;
    this.messages += 1;
    for (const hook of this.sendHooks) hook(from, to, message);
    this.#network.send(mine.connection, mine.end, this.#encode(message));
  }

  /** The server itself drops a link; it is dialled again. */
  close(from: NodeId, to: NodeId, link: number): void {
    const mine = this.#ends.get(pair(from, to));
    if (mine === undefined || mine.link !== link) return;
    this.#network.reset(mine.connection, mine.end);
    this.#lost(from, to, mine);
  }

  /** A fault: the pair's connection breaks, both ends learn it in their own time. */
  break(a: NodeId, b: NodeId): void {
    for (const connection of this.#network.between(a, b)) this.#network.breakBoth(connection);
  }

  /** One end is gone and the other does not know it. False when there is no link. */
  halfOpen(from: NodeId, to: NodeId): boolean {
    const mine = this.#ends.get(pair(from, to));
    if (mine === undefined) return false;
    this.#network.reset(mine.connection, mine.end, true);
    this.#lost(from, to, mine);
    return true;
  }

  // ---- frames of links that are gone

  /** The last messages that came from one server to another, with their links. */
  keepFrames(from: NodeId, to: NodeId): KeptFrames {
    return { from, to, frames: [...(this.#recent.get(pair(from, to)) ?? [])] };
  }

  /** Hands the receiver frames of links that are no longer its own; how many. */
  replay(kept: KeptFrames, to: NodeId): number {
    const host = this.#hosts.get(to);
    const now = this.#ends.get(pair(to, kept.from))?.link;
    if (!host?.running) return 0;
    const old = kept.frames.filter((frame) => frame.link !== now);
    for (const { link, message } of old) host.deliver({ type: "peerMessage", peer: kept.from, link, message });
    return old.length;
  }

  #remember(from: NodeId, to: NodeId, link: number, message: PeerMessage): void {
    const key = pair(from, to);
    let recent = this.#recent.get(key);
    if (recent === undefined) this.#recent.set(key, (recent = []));
    recent.push({ link, message });
    if (recent.length > framesKept) recent.shift();
  }

  #encode(message: PeerMessage): Uint8Array | PeerMessage {
    if (this.#codec === undefined) return message;
    if (message === this.#lastMessage && this.#lastBytes !== undefined) return this.#lastBytes;
    this.#lastMessage = message;
    this.#lastBytes = this.#codec.encode(message);
    return this.#lastBytes;
  }

  #decode(payload: unknown): PeerMessage {
    if (this.#codec === undefined) return payload as PeerMessage;
    return this.#codec.decode(payload as Uint8Array);
  }

  #dialLater(a: NodeId, b: NodeId, delay: number): void {
    const key = a < b ? pair(a, b) : pair(b, a);
    if (this.#dialling.has(key)) return;
    this.#dialling.add(key);
    this.#scheduler.after(delay, () => {
      this.#dialling.delete(key);
      this.#dial(a, b);
    });
  }

  #dial(a: NodeId, b: NodeId): void {
    const hostA = this.#hosts.get(a);
    const hostB = this.#hosts.get(b);
    if (!hostA?.running || !hostB?.running) return;
    if (this.#ends.has(pair(a, b)) && this.#ends.has(pair(b, a))) return;
    if (!this.#network.canConnect(a, b)) {
      this.#dialLater(a, b, this.#random.between(10, 60) * this.#network.patience);
      return;
    }
    this.#connect(hostA, hostB);
  }

  #connect(a: PeerHost, b: PeerHost): void {
    const now = this.#scheduler.now;
    const readyA = now + this.#network.latency() * 2;
    const readyB = now + this.#network.latency() * 3;
    const connection = this.#network.connect(a.id, b.id, readyA, readyB);
    this.#attach(connection, 0, a, b.id, readyA);
    this.#attach(connection, 1, b, a.id, readyB);
  }

  #attach(connection: Connection, end: End, host: PeerHost, peer: NodeId, ready: number): void {
    this.#links += 1;
    const mine: LinkEnd = { connection, end, link: this.#links };
    connection.handlers[end] = {
      message: (payload) => this.#message(host, peer, mine, payload),
      lost: () => this.#lost(host.id, peer, mine),
    };
    const old = this.#ends.get(pair(host.id, peer));
    this.#scheduler.at(ready, () => {
      if (!host.running || !connection.open[end]) return;
      const before = this.#ends.get(pair(host.id, peer));
      if (before !== undefined && before === old) {
        this.#network.reset(before.connection, before.end);
        this.#ends.delete(pair(host.id, peer));
        host.deliver({ type: "peerLost", peer, link: before.link });
      } else if (before !== undefined) {
        this.#network.reset(connection, end);
        return;
      }
      this.#ends.set(pair(host.id, peer), mine);
      host.deliver({ type: "peerConnected", peer, link: mine.link });
    });
  }

  #message(host: PeerHost, peer: NodeId, mine: LinkEnd, payload: unknown): void {
    if (this.#ends.get(pair(host.id, peer)) !== mine) return;
    const message = this.#decode(payload);
    if (this.rememberFrames) this.#remember(peer, host.id, mine.link, message);
    for (const hook of this.deliverHooks) hook(peer, host.id, message);
    host.deliver({ type: "peerMessage", peer, link: mine.link, message });
  }

  #lost(id: NodeId, peer: NodeId, mine: LinkEnd): void {
    if (this.#ends.get(pair(id, peer)) === mine) {
      this.#ends.delete(pair(id, peer));
      const host = this.#hosts.get(id);
      if (host?.running) host.deliver({ type: "peerLost", peer, link: mine.link });
    }
    this.#dialLater(id, peer, this.#random.between(2, 30));
  }
}

function pair(from: NodeId, to: NodeId): number {
  return from * 4096 + to;
}
