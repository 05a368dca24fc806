/**
 * A WebSocket between a virtual machine and a virtual server: what the client library writes and reads
 * are real frames, through the shipping codecs. It also stands for the server's listener, which hashes
 * passwords, makes those of new sessions, and turns credentials into identities.
 */
import { createHash } from "node:crypto";
import { subprotocol, type WebSocketLike } from "../../../client/websocket-transport.ts";
import { identitiesOf } from "../../../server/client-connection.ts";
import type { ClientMessage, ServerMessage } from "../../../src/model/client-message.ts";
import {
  type ClientWireMessage,
  decodeClientFrame,
  encodeServerMessage,
  type ServerWireMessage,
  Writer,
} from "../../../src/wire/client-codec.ts";
import type { Connection } from "../network.ts";
import type { SimServer } from "../server.ts";
import { describe } from "../trace.ts";
import type { VirtualMachine } from "./machine.ts";

const passwordBytes = 16;
/** Linux's first; then twice as long each time. */
const synRetryMs = 1_000;

export class VirtualSocket implements WebSocketLike {
  onopen: WebSocketLike["onopen"] = null;
  onmessage: WebSocketLike["onmessage"] = null;
  onclose: WebSocketLike["onclose"] = null;
  onerror: WebSocketLike["onerror"] = null;
  readonly protocol = subprotocol;
  readonly server: SimServer;
  readonly #machine: VirtualMachine;
  readonly #writer = new Writer();
  #connection: Connection | undefined;
  #password: Uint8Array = new Uint8Array(passwordBytes);
  #open = false;
  #ended = false;

  constructor(machine: VirtualMachine, server: SimServer) {
    this.#machine = machine;
    this.server = server;
    this.#knock(synRetryMs);
  }

  /** Over a blocked path nothing answers: it is asked again, as TCP does, until the client gives up. */
  #knock(retryMs: number): void {
    const { scheduler, network, id } = this.#machine.parts;
    if (this.#ended) return;
    if (!network.canConnect(id, this.server.id)) scheduler.after(retryMs, () => this.#knock(2 * retryMs));
    else if (this.server.running) this.#dial();
    else scheduler.after(network.latency() * 2, () => this.#lost("refused"));
  }

  get isOpen(): boolean {
    return this.#open && !this.#ended;
  }

  #dial(): void {
    const { scheduler, network, id } = this.#machine.parts;
    const readyServer = scheduler.now + network.latency() * 2;
    const readyClient = readyServer + network.latency();
    const connection = network.connect(id, this.server.id, readyClient, readyServer);
    this.#connection = connection;
    connection.handlers[0] = {
      message: (payload) => this.#machine.onMessage(this, payload as ServerMessage),
      lost: () => this.#lost("lost"),
    };
    this.server.accept(connection, 1, readyServer);
    scheduler.at(readyClient, () => {
      if (connection.open[0]) this.#machine.deliver("socket", () => this.#opened());
    });
  }

  #opened(): void {
    if (this.#ended) return;
    this.#open = true;
    this.#machine.parts.touched(false);
    this.onopen?.();
  }

  // ---- the client's end

  send(data: Uint8Array): void {
    const { network, trace, name } = this.#machine.parts;
    if (this.#connection === undefined || this.#ended) return;
    for (const message of decodeClientFrame(data.slice())) {
      if (trace.on) trace.line(name, `→ s${this.server.id}`, describe(message));
      network.send(this.#connection, 0, this.#toModel(message));
    }
  }

  close(): void {
    this.#end();
    if (this.#connection !== undefined) this.#machine.parts.network.close(this.#connection, 0);
  }

  receive(message: ServerMessage): void {
    if (this.#ended) return;
    const wire: ServerWireMessage =
      message.type === "connected" ? { ...message, password: this.#password, serverId: this.server.id } : message;
    encodeServerMessage(this.#writer, wire);
    this.onmessage?.({ data: this.#writer.finish() });
  }

  // ---- faults

  /** Both ends lose it; the client hears of it after what came before. */
  break(reason: string): void {
    if (this.#connection !== undefined) this.#machine.parts.network.reset(this.#connection, 0);
    this.#lost(reason);
  }

  /** The client's process is gone. */
  reset(): void {
    this.#end();
    if (this.#connection !== undefined) this.#machine.parts.network.reset(this.#connection, 0);
  }

  #lost(reason: string): void {
    this.#machine.deliver("socket", () => {
      if (this.#ended) return;
      this.#end();
      this.#machine.parts.touched(false);
      this.onclose?.({ code: 1006, reason });
    });
  }

  #end(): void {
    this.#ended = true;
    this.#machine.forget(this);
  }

  // ---- the listener's part

  #toModel(message: ClientWireMessage): ClientMessage {
    if (message.type === "heartbeat") return message;
    if (message.type === "request") {
      const { request } = message;
      if (request.type !== "addAuth") return { ...message, request };
      const identities = identitiesOf(request.scheme, request.credentials, "127.0.0.1", undefined);
      return { ...message, request: { type: "addAuth", identities } };
    }
    this.#password = message.session === 0 ? this.#makePassword() : message.password;
    const passwordHash = createHash("sha256").update(this.#password).digest();
    const { session, timeoutMs, lastZxid } = message;
    return { type: "connect", session, passwordHash, timeoutMs, lastZxid };
  }

  #makePassword(): Uint8Array {
    return Uint8Array.from({ length: passwordBytes }, () => this.#machine.parts.random.below(256));
  }
}
