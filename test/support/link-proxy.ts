/**
 * The network in front of a server: a TCP relay whose two directions are held, slowed or cut, each by itself. A held direction
 * loses nothing: its bytes wait, as behind a router that drops packets, and nobody is told. New connections
 * are taken at any time, and say nothing while they are held.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Of the one who dials, or towards it. */
export type Direction = "out" | "back";

interface Lane {
  held: boolean;
  delayMs: number;
  readonly pipes: Set<Pipe>;
}

/** One direction of one connection: in order, and no more in memory than what is being delayed. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #lane: Lane;
  #dueMs = 0;

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
    if (this.#lane.held || this.#to.writableNeedDrain) this.#from.pause();
    else this.#from.resume();
  }

  #pass(chunk: Buffer): void {
    const nowMs = performance.now();
    // A shorter delay does not overtake a longer one.
    this.#dueMs = Math.max(this.#dueMs, nowMs + this.#lane.delayMs);
    if (this.#dueMs <= nowMs) this.#write(chunk);
    else setTimeout(() => this.#write(chunk), this.#dueMs - nowMs);
  }

  #write(chunk: Buffer): void {
    if (this.#to.writable && !this.#to.write(chunk)) this.settle();
  }
}

export class LinkProxy {
  readonly #server: Server;
  readonly #lanes: Readonly<Record<Direction, Lane>> = {
    out: { held: false, delayMs: 0, pipes: new Set() },
    back: { held: false, delayMs: 0, pipes: new Set() },
  };
  readonly #sockets = new Set<Socket>();
  /** Connections relayed so far. */
  accepted = 0;

  private constructor(targetPort: number) {
    this.#server = createServer((inner) => this.#relay(inner, targetPort));
  }

  /** In front of `127.0.0.1:targetPort`, which need not listen yet. */
  static async start(targetPort: number): Promise<LinkProxy> {
    const proxy = new LinkProxy(targetPort);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  hold(direction: Direction): void {
    this.#set(direction, true);
  }

  slow(delayMs: number): void {
    this.#lanes.out.delayMs = delayMs;
    this.#lanes.back.delayMs = delayMs;
  }

  heal(): void {
    this.slow(0);
    this.#set("out", false);
    this.#set("back", false);
  }

  /** Resets every connection, in the middle of whatever it carries. New ones are relayed as before. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #set(direction: Direction, held: boolean): void {
    const lane = this.#lanes[direction];
    lane.held = held;
    for (const pipe of lane.pipes) pipe.settle();
  }

  #relay(inner: Socket, targetPort: number): void {
    this.accepted += 1;
    const outer = connect(targetPort, "127.0.0.1");
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
