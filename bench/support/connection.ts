/**
 * A load generator's connection on the native protocol: no retry, no promise a request, so that the
 * generator costs as little as it can beside the servers it measures.
 */
import { performance } from "node:perf_hooks";
import WebSocket from "ws";
import type { WriteRequest } from "../../src/model/request.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import {
  decodeServerFrame,
  encodeClientMessage,
  type ServerWireMessage,
  type WireRequest,
  Writer,
} from "../../src/wire/client-codec.ts";

type Reply = Extract<ServerWireMessage, { type: "reply" }>;

export class LoadConnection {
  readonly #socket: WebSocket;
  readonly #writer = new Writer();
  readonly #sentMs = new Map<number, number>();
  #xid = 0;
  #seq = 0;
  #ackedSeq = 0;
  #corked = 0;
  onReply: (reply: Reply, latencyMs: number) => void = () => undefined;
  level: "session" | "linearizable" = "session";

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static open(url: string, timeoutMs = 30_000): Promise<LoadConnection> {
    const socket = new WebSocket(`${url}/v1`, "zabra.v1", { perMessageDeflate: false });
    socket.binaryType = "nodebuffer";
    const connection = new LoadConnection(socket);
    return new Promise((resolve, reject) => {
      socket.on("error", reject);
      socket.on("open", () => {
        encodeClientMessage(connection.#writer, {
          type: "connect",
          session: 0 as SessionId,
          password: new Uint8Array(0),
          timeoutMs,
          lastZxid: 0 as Zxid,
          clientVersion: "bench",
        });
        connection.#send();
      });
      socket.once("message", (frame: Buffer) => {
        const [first] = decodeServerFrame(frame);
        if (first?.type !== "connected") return reject(new Error(`refused: ${JSON.stringify(first)}`));
        socket.on("message", (next: Buffer) => connection.#onFrame(next));
        resolve(connection);
      });
    });
  }

  /** Sent and not yet taken by the kernel. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  /** Requests made between `cork` and `uncork` leave in one frame. */
  cork(): void {
    this.#corked += 1;
  }

  uncork(): void {
    this.#corked -= 1;
    if (this.#corked === 0) this.#send();
  }

  write(request: Exclude<WriteRequest, { type: "createSession" | "renewSession" }>): void {
    this.#seq += 1;
    this.#request(request, this.#seq);
  }

  read(request: WireRequest): void {
    this.#request(request, 0);
  }

  #request(request: WireRequest, seq: number): void {
    this.#xid += 1;
    this.#sentMs.set(this.#xid, performance.now());
    encodeClientMessage(this.#writer, {
      type: "request",
      xid: this.#xid,
      request,
      level: { type: this.level },
      seq,
      ackedSeq: seq === 0 ? 0 : this.#ackedSeq,
      guards: [],
      deadlineMs: 0,
    });
    if (this.#corked === 0) this.#send();
  }

  heartbeat(): void {
    encodeClientMessage(this.#writer, { type: "heartbeat", id: 1 });
    this.#send();
  }

  #send(): void {
    const frame = this.#writer.finish();
    if (frame.length > 0) this.#socket.send(frame.slice());
    this.#writer.reset();
  }

  #onFrame(frame: Buffer): void {
    this.cork();
    const nowMs = performance.now();
    for (const message of decodeServerFrame(frame)) {
      if (message.type !== "reply") continue;
      const latencyMs = nowMs - (this.#sentMs.get(message.xid) ?? nowMs);
      this.#sentMs.delete(message.xid);
      if (message.requestType === "setData" || message.requestType === "create") this.#ackedSeq += 1;
      this.onReply(message, latencyMs);
    }
    this.uncork();
  }

  close(): void {
    this.#socket.close();
  }
}
