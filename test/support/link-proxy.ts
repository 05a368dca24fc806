/**
 * The network in front of a server: a TCP relay whose two directions are held, slowed or cut, each by itself. A held direction
 * loses nothing: its bytes wait, as behind a router that drops packets, and nobody is told. New connections
 * are taken at any time, and say nothing while they are held. Counts what it did to bytes, because a fault that met none did not bite.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Of the one who dials, or towards it. */
export type Direction = "out" | "back";

interface Lane {
  /** Holds that have not been released: faults overlap. */
  holds: number;
  delayMs: number;
  readonly pipes: Set<Pipe>;
  /** Chunks that came while it was held, and those that were delayed. */
  withheld: number;
  delayed: number;
}

/** One direction of one connection: in order, and no more in memory than what is being delayed. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #lane: Lane;
  #dueMs = 0;
  /** Came while the lane was held; at most one, since nothing is read after it. */
  #waiting: Buffer | undefined;

  constructor(from: Socket, to: Socket, lane: Lane) {
    this.#from = from;
    this.#to = to;
    this.#lane = lane;
    from.on("data", (chunk) => this.#pass(chunk));
    to.on("drain", () => this.settle());
    this.settle();
  }

  /** What is on its way when a lane is held arrives; what comes after it waits. */
  settle(): void {
    const held = this.#lane.holds > 0;
    if (!held && this.#waiting !== undefined) {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      this.#pass(waiting);
    }
    if (this.#waiting !== undefined || this.#to.writableNeedDrain) this.#from.pause();
    else this.#from.resume();
  }

  #pass(chunk: Buffer): void {
    if (this.#lane.holds > 0) {
      this.#waiting = this.#waiting === undefined ? chunk : Buffer.concat([this.#waiting, chunk]);
      this.#lane.withheld += 1;
      this.#from.pause();
      return;
    }
    const nowMs = performance.now();
    // A shorter delay does not overtake a longer one.
    this.#dueMs = Math.max(this.#dueMs, nowMs + this.#lane.delayMs);
    if (this.#dueMs <= nowMs) this.#write(chunk);
    else {
      this.#lane.delayed += 1;
      setTimeout(() => this.#write(chunk), this.#dueMs - nowMs);
    }
  }

  #write(chunk: Buffer): void {
    if (this.#to.writable && !this.#to.write(chunk)) this.settle();
  }
}

export class LinkProxy {
  readonly #server: Server;
  readonly #lanes: Readonly<Record<Direction, Lane>> = {
    out: { holds: 0, delayMs: 0, pipes: new Set(), withheld: 0, delayed: 0 },
    back: { holds: 0, delayMs: 0, pipes: new Set(), withheld: 0, delayed: 0 },
  };
  readonly #sockets = new Set<Socket>();

  /** Connections relayed so far. */
  accepted = 0;
  /** Of them, reset. */
  reset = 0;

  private constructor(targetPort: number, targetHost: string) {
    this.#server = createServer((inner) => this.#relay(inner, targetPort, targetHost));
  }

  /** In front of `targetHost:targetPort`, which need not listen yet. */
  static async start(targetPort: number, targetHost = "127.0.0.1"): Promise<LinkProxy> {
    const proxy = new LinkProxy(targetPort, targetHost);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Chunks that were held or slowed so far. */
  touched(direction: Direction): number {
    return this.#lanes[direction].withheld + this.#lanes[direction].delayed;
  }

  /** As often as it is held, it must be released. */
  hold(direction: Direction): void {
    this.#set(direction, this.#lanes[direction].holds + 1);
  }

  release(direction: Direction): void {
    this.#set(direction, Math.max(0, this.#lanes[direction].holds - 1));
  }

  slow(delayMs: number): void {
    this.#lanes.out.delayMs = delayMs;
    this.#lanes.back.delayMs = delayMs;
  }

  heal(): void {
    this.slow(0);
    this.#set("out", 0);
    this.#set("back", 0);
  }

  /** Resets every connection, in the middle of whatever it carries. New ones are relayed as before. */
  cut(): void {
    this.reset += this.#sockets.size / 2;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #set(direction: Direction, holds: number): void {
    const lane = this.#lanes[direction];
    lane.holds = holds;
    for (const pipe of lane.pipes) pipe.settle();
  }

  #relay(inner: Socket, targetPort: number, targetHost: string): void {
    this.accepted += 1;
    const outer = connect(targetPort, targetHost);
    const out = new Pipe(inner, outer, this.#lanes.out);
    const back = new Pipe(outer, inner, this.#lanes.back);
    this.#lanes.out.pipes.add(out);
    this.#lanes.back.pipes.add(back);
    for (const [socket, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        this.#lanes.out.pipes.delete(out);
        this.#lanes.back.pipes.delete(back);
        other.destroy();
      });
    }
  }
}
