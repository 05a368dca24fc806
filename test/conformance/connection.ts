/** A bare TCP connection to a ZooKeeper port: frames out, frames in, nothing hidden. Used by the scenes. */
import { connect, type Socket } from "node:net";
import { JuteReader } from "./jute.ts";

export interface Received {
  readonly xid: number;
  readonly zxid: bigint;
  readonly error: number;
  readonly body: JuteReader;
}

/** A server that does not answer in this time has failed the case: the transcript then says so. */
const patienceMs = 5_000;

export class RawConnection {
  readonly #socket: Socket;
  readonly #frames: Buffer[] = [];
  #bytes: Buffer = Buffer.alloc(0);
  #closed = false;
  #wake: () => void = () => {};

  /** `address`: HOST:PORT. */
  constructor(address: string) {
    const colon = address.lastIndexOf(":");
    this.#socket = connect(Number(address.slice(colon + 1)), address.slice(0, colon));
    this.#socket.setNoDelay(true);
    this.#socket.on("data", (chunk: Buffer) => this.#data(chunk));
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      this.#closed = true;
      this.#wake();
    });
  }

  write(bytes: Buffer): void {
    if (!this.#socket.writableEnded) this.#socket.write(bytes);
  }

  get closed(): boolean {
    return this.#closed;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #data(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= 4) {
      const length = this.#bytes.readInt32BE(0);
      if (length < 0 || this.#bytes.length < 4 + length) break;
      this.#frames.push(this.#bytes.subarray(4, 4 + length));
      this.#bytes = this.#bytes.subarray(4 + length);
    }
    this.#wake();
  }

  /** The next frame; "closed" when there is none before the end, "nothing" when the server stays silent. */
  async frame(): Promise<Buffer | "closed" | "nothing"> {
    const endMs = performance.now() + patienceMs;
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) return frame;
      if (this.#closed) return "closed";
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) return "nothing";
      await this.#change(leftMs);
    }
  }

  /** The next reply or event. */
  async receive(): Promise<Received | "closed" | "nothing"> {
    const frame = await this.frame();
    if (typeof frame === "string") return frame;
    const body = new JuteReader(frame);
    return { xid: body.int(), zxid: body.long(), error: body.int(), body };
  }

  #change(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Sends four letters (or any bytes) and resolves with all that comes until the server closes. */
export function ask(address: string, word: string): Promise<string> {
  return new Promise((resolve) => {
    const colon = address.lastIndexOf(":");
    const socket = connect(Number(address.slice(colon + 1)), address.slice(0, colon));
    let answer = "";
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString("latin1");
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
    socket.setTimeout(patienceMs, () => socket.destroy());
    socket.write(word);
  });
}
