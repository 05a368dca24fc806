/**
 * A transport over one WebSocket: all messages of a send in as few frames as the server's limit on
 * frames allows. Works on the browser's WebSocket and on `ws`, which have the same event properties.
 * A frame that cannot be decoded closes the connection: none of its messages may be used.
 */
import { type ClientWireMessage, decodeServerFrame, encodeClientMessage, Writer } from "../src/wire/client-codec.ts";
import type { Dial, Transport, TransportHandlers } from "./transport.ts";

export const subprotocol = "zabra.v1";
/** Messages share a frame up to this length; one with large data has its own, or the server's limit on frames would be met. */
const frameBytes = 128 * 1024;

const lingerMs = 500;

/** What we need of a WebSocket. Binary messages arrive as ArrayBuffer or Uint8Array. */
export interface WebSocketLike {
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  onerror: ((event: unknown) => void) | null;
  send(data: Uint8Array): void;
  close(): void;
  /** Drops the socket without a goodbye; browsers cannot. */
  terminate?(): void;
}
export type WebSocketFactory = (url: string) => WebSocketLike;

export function webSocketDial(open: WebSocketFactory): Dial {
  return (url, handlers) => new WebSocketTransport(open(url), handlers);
}

class WebSocketTransport implements Transport {
  readonly #socket: WebSocketLike;
  readonly #handlers: TransportHandlers;
  readonly #writer = new Writer();
  #closed = false;
  #problem = "";

  constructor(socket: WebSocketLike, handlers: TransportHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    socket.onopen = () => handlers.opened();
    socket.onmessage = (event) => this.#onFrame(event.data);
    socket.onerror = (event) => this.#onError(event);
    socket.onclose = (event) => this.#onClose(event.reason === "" ? this.#problem : event.reason);
  }

  send(messages: readonly ClientWireMessage[]): void {
    if (this.#closed) return;
    for (const message of messages) {
      if (this.#writer.length + dataBytes(message) > frameBytes) this.#flush();
      encodeClientMessage(this.#writer, message);
    }
    this.#flush();
  }

  #flush(): void {
    if (this.#writer.length > 0) this.#socket.send(this.#writer.finish());
  }

  /** The server may be gone: its goodbye is not waited for long, or the process could not end. */
  close(): void {
    this.#closed = true;
    this.#socket.close();
    if (this.#socket.terminate === undefined) return;
    const timer = setTimeout(() => this.#socket.terminate?.(), lingerMs);
    this.#socket.onclose = () => clearTimeout(timer);
  }

  #onFrame(data: unknown): void {
    if (this.#closed) return;
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : data;
    if (!(bytes instanceof Uint8Array)) return this.#fail("a text frame");
    let messages: ReturnType<typeof decodeServerFrame>;
    try {
      messages = decodeServerFrame(bytes);
    } catch (error) {
      return this.#fail(error instanceof Error ? error.message : String(error));
    }
    this.#handlers.messages(messages);
  }

  #fail(problem: string): void {
    this.#socket.close();
    this.#onClose(problem);
  }

  /** Browsers tell nothing here; `close` always follows. */
  #onError(event: unknown): void {
    if (typeof event === "object" && event !== null && "message" in event) this.#problem = String(event.message);
  }

  #onClose(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handlers.closed(reason);
  }
}

/** Of the only requests that can be large. */
function dataBytes(message: ClientWireMessage): number {
  if (message.type !== "request") return 0;
  const { request } = message;
  if (request.type === "create" || request.type === "setData") return request.data?.length ?? 0;
  if (request.type === "multi" || request.type === "setWatches") return frameBytes;
  return 0;
}
