/**
 * The native client protocol on `/v1`: WebSocket, binary frames, subprotocol `zabra.v1`. Everything a
 * request offers is checked before `ws` sees it; a refused upgrade gets a plain HTTP answer. All of a
 * turn's messages for a connection leave in one frame (a few when they are large).
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import type { ServerMessage } from "../src/model/client-message.ts";
import {
  type ClientWireMessage,
  decodeClientFrame,
  encodeServerMessage,
  type WireClientRequest,
  Writer,
} from "../src/wire/client-codec.ts";
import {
  type ClientConnection,
  type ClientConnections,
  type ClientTransport,
  identitiesOf,
  normalAddress,
} from "./client-connection.ts";
import type { HostPolicy } from "./host-policy.ts";

export const subprotocol = "zabra.v1";
export const clientPath = "/v1";

const frameBytes = 256 * 1024;
const fragmentsMax = 64;
const bufferedChunksMax = 4096;

/** RFC 6455, section 7.4. */
const goingAway = 1001;

export class WebSocketListener {
  readonly #clients: ClientConnections;
  readonly #policy: HostPolicy;
  readonly #server: WebSocketServer;
  readonly #writer = new Writer();

  constructor(clients: ClientConnections, policy: HostPolicy) {
    this.#clients = clients;
    this.#policy = policy;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: clients.host.limits.frame_bytes_max,
      maxFragments: fragmentsMax,
      maxBufferedChunks: bufferedChunksMax,
      handleProtocols: () => subprotocol,
    });
  }

  /** An upgrade request from the HTTP server. Never throws; the socket is answered or destroyed. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    const refusal = this.#refusal(request);
    if (refusal !== undefined) return refuseUpgrade(socket, refusal);
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      new WebSocketTransport(webSocket, socket, normalAddress(request.socket.remoteAddress), this.#clients, this.#writer);
    });
  }

  #refusal(request: IncomingMessage): Refusal | undefined {
    const { host, origin } = request.headers;
    if (request.url !== clientPath) return { status: "404 Not Found", text: `the client protocol is at ${clientPath}` };
    if (!this.#policy.isKnownHost(host))
      return { status: "403 Forbidden", text: "the Host is not a name of this server (--allow-host)" };
    if (!this.#policy.isAllowedOrigin(origin, host))
      return { status: "403 Forbidden", text: "the Origin is not allowed (--allow-origin)" };
    if (request.headers["sec-websocket-protocol"] !== subprotocol)
      return { status: "400 Bad Request", text: `the subprotocol must be ${subprotocol}` };
    if (!this.#clients.hasRoom()) return { status: "503 Service Unavailable", text: "too many connections" };
    return undefined;
  }
}

interface Refusal {
  readonly status: string;
  readonly text: string;
}

function refuseUpgrade(socket: Duplex, refusal: Refusal): void {
  const body = `${refusal.text}\n`;
  socket.end(
    `HTTP/1.1 ${refusal.status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  setTimeout(() => socket.destroy(), 1000).unref();
}

class WebSocketTransport implements ClientTransport {
  readonly #webSocket: WebSocket;
  readonly #clients: ClientConnections;
  readonly #writer: Writer;
  readonly #connection: ClientConnection;

  constructor(webSocket: WebSocket, socket: Duplex, remoteAddress: string, clients: ClientConnections, writer: Writer) {
    this.#webSocket = webSocket;
    this.#clients = clients;
    this.#writer = writer;
    this.#connection = clients.open("native", remoteAddress, this);
    if ("setNoDelay" in socket && typeof socket.setNoDelay === "function") socket.setNoDelay(true);
    if ("setKeepAlive" in socket && typeof socket.setKeepAlive === "function") socket.setKeepAlive(true, 30_000);
    socket.on("drain", () => this.#connection.drained());
    webSocket.on("message", (data, isBinary) => this.#frame(data, isBinary));
    webSocket.on("error", (error) => this.#connection.abort(error.message));
    webSocket.on("close", () => this.#connection.transportClosed());
  }

  write(messages: readonly ServerMessage[], password: Uint8Array): void {
    const writer = this.#writer;
    for (const message of messages) {
      encodeServerMessage(
        writer,
        message.type === "connected" ? { ...message, password, serverId: this.#clients.host.serverId } : message,
      );
      if (writer.length >= frameBytes) this.#webSocket.send(writer.finish());
    }
    if (writer.length > 0) this.#webSocket.send(writer.finish());
  }

  bufferedBytes(): number {
    return this.#webSocket.bufferedAmount;
  }

  pause(): void {
    this.#webSocket.pause();
  }

  resume(): void {
    this.#webSocket.resume();
  }

  end(reason: string): void {
    this.#webSocket.resume();
    this.#webSocket.close(goingAway, reason.slice(0, 100));
  }

  destroy(): void {
    this.#webSocket.terminate();
  }

  #frame(data: RawData, isBinary: boolean): void {
    if (!isBinary || !(data instanceof Uint8Array)) return this.#connection.abort("a frame that is not binary");
    let messages: readonly ClientWireMessage[];
    try {
      messages = decodeClientFrame(data);
    } catch (error) {
      return this.#connection.abort(error instanceof Error ? error.message : "malformed frame");
    }
    for (const message of messages) this.#message(message);
  }

  #message(message: ClientWireMessage): void {
    switch (message.type) {
      case "connect":
        return this.#connection.connect(message.session, message.password, message.timeoutMs, message.lastZxid);
      case "heartbeat":
        return this.#connection.receive(message);
      case "request":
        return this.#request(message);
    }
  }

  #request(message: WireClientRequest): void {
    const request = message.request;
    if (request.type !== "addAuth") return this.#connection.receive({ ...message, request });
    const { scheme, credentials } = request;
    const identities = identitiesOf(scheme, credentials, this.#connection.remoteAddress, this.#clients.host.superDigest);
    this.#connection.receive({ ...message, request: { type: "addAuth", identities } });
  }
}
