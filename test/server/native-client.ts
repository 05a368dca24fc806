/** A bare client of the native protocol, for tests of servers: no retries, no state beyond what came. */
import { WebSocket } from "ws";
import { openAcl } from "../../src/model/acl.ts";
import type { Request, Result } from "../../src/model/request.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import {
  decodeServerFrame,
  encodeClientMessage,
  type ServerWireMessage,
  type WireClientRequest,
  type WireConnected,
  Writer,
} from "../../src/wire/client-codec.ts";

type Reply = Extract<ServerWireMessage, { type: "reply" }>;

export class NativeClient {
  readonly #webSocket: WebSocket;
  readonly received: ServerWireMessage[] = [];
  readonly frames: number[] = [];
  #waiting: (() => void)[] = [];
  #xid = 0;
  #seq = 0;
  #ackedSeq = 0;
  closed = false;

  private constructor(webSocket: WebSocket) {
    this.#webSocket = webSocket;
    webSocket.on("message", (data: Buffer) => {
      const messages = decodeServerFrame(data);
      this.frames.push(messages.length);
      this.received.push(...messages);
      this.#wake();
    });
    webSocket.on("error", () => {});
    webSocket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
  }

  /** Opens the socket alone. */
  static async open(url: string): Promise<NativeClient> {
    const client = new NativeClient(new WebSocket(`${url}/v1`, "zabra.v1", { perMessageDeflate: false }));
    await new Promise<void>((resolve, reject) => {
      client.#webSocket.once("open", resolve);
      client.#webSocket.once("error", reject);
    });
    return client;
  }

  static async connect(url: string, timeoutMs = 10_000): Promise<NativeClient> {
    const client = await NativeClient.open(url);
    await client.handshake(0 as SessionId, new Uint8Array(0), timeoutMs);
    return client;
  }

  async handshake(session: SessionId | 0, password: Uint8Array, timeoutMs = 10_000): Promise<WireConnected> {
    this.send((w) =>
      encodeClientMessage(w, { type: "connect", session, password, timeoutMs, lastZxid: 0 as Zxid, clientVersion: "test" }),
    );
    const answer = await this.next((message) => message.type === "connected" || message.type === "refused");
    if (answer.type !== "connected") throw new Error(`refused: ${JSON.stringify(answer)}`);
    return answer;
  }

  send(write: (writer: Writer) => void): void {
    const writer = new Writer();
    write(writer);
    this.#webSocket.send(writer.finish());
  }

  message(request: WireClientRequest["request"], write: boolean): WireClientRequest {
    this.#xid += 1;
    if (write) this.#seq += 1;
    return {
      type: "request",
      xid: this.#xid,
      request,
      level: { type: "linearizable" },
      seq: write ? this.#seq : 0,
      ackedSeq: this.#ackedSeq,
      guards: [],
      deadlineMs: 0,
    };
  }

  /** Sends the requests in one frame. */
  async ask(requests: readonly WireClientRequest[]): Promise<Reply[]> {
    this.send((writer) => {
      for (const request of requests) encodeClientMessage(writer, request);
    });
    const replies: Reply[] = [];
    for (const { xid } of requests) {
      const reply = await this.next((message) => message.type === "reply" && message.xid === xid);
      if (reply.type === "reply") replies.push(reply);
    }
    for (const { seq } of requests) this.#ackedSeq = Math.max(this.#ackedSeq, seq);
    return replies;
  }

  async read(request: Exclude<Request, { type: "addAuth" | "createSession" | "renewSession" }>): Promise<Result> {
    return this.#result(this.message(request, false));
  }

  async create(path: string, data: string): Promise<Result> {
    return this.#result(
      this.message(
        { type: "create", path, data: Buffer.from(data), kind: "persistent", sequential: false, ttlMs: 0, acl: openAcl },
        true,
      ),
    );
  }

  async get(path: string): Promise<string> {
    const result = await this.read({ type: "getData", path, watch: false });
    if (result.type !== "data") throw new Error(`no data: ${result.type}`);
    return Buffer.from(result.data ?? []).toString();
  }

  /** The first message that fits, from now or before; it is taken out. */
  async next(fits: (message: ServerWireMessage) => boolean): Promise<ServerWireMessage> {
    for (;;) {
      const index = this.received.findIndex(fits);
      const found = this.received[index];
      if (found !== undefined) {
        this.received.splice(index, 1);
        return found;
      }
      if (this.closed) throw new Error("the connection is closed");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async whenClosed(): Promise<void> {
    while (!this.closed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  heartbeat(id: number): void {
    this.send((writer) => encodeClientMessage(writer, { type: "heartbeat", id }));
  }

  close(): void {
    this.#webSocket.terminate();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  async #result(message: WireClientRequest): Promise<Result> {
    const [reply] = await this.ask([message]);
    if (reply === undefined || reply.outcome.code !== "OK")
      throw new Error(`${reply?.outcome.code ?? "no reply"} ${reply?.outcome.detail ?? ""}`);
    return reply.outcome.result;
  }
}
