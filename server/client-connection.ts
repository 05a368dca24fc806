/**
 * What the two client listeners share. A listener makes a transport (how bytes look and travel) and
 * opens a ClientConnection on it; the registry is what the loop sends through.
 *
 * Invariants: the core hears `clientConnected` first and `clientClosed` last, each once. It has at most
 * outstanding_per_connection_max unanswered requests of a connection, and no more of all than there is room for
 * (`request-room.ts`); what came beyond that, or before the session stands, is held here while the socket is not read. What is sent in a turn leaves in one
 * write. A connection whose output buffer is over output_bytes_per_connection_max is closed.
 */
import { createHash, randomBytes } from "node:crypto";
import { isIPv4 } from "node:net";
import type { AuthId } from "../src/model/acl.ts";
import type { ClientMessage, ServerMessage } from "../src/model/client-message.ts";
import type { Limits } from "../src/model/limits.ts";
import type { ConnectionId, ServerId, SessionId, Zxid } from "../src/model/zxid.ts";
import type { Protocol } from "../src/replica/event.ts";
import type { Inbox } from "./inbox.ts";
import type { Logger } from "./log.ts";
import { type Guest, RequestRoom } from "./request-room.ts";

/** Implemented by each listener for its protocol. */
export interface ClientTransport {
  /** Writes the messages of a turn at once. `password`: what a `connected` among them carries. */
  write(messages: readonly ServerMessage[], password: Uint8Array): void;
  /** Bytes written and not yet taken by the kernel. */
  bufferedBytes(): number;
  pause(): void;
  resume(): void;
  /** Sends what is buffered, then closes. */
  end(reason: string): void;
  /** Closes at once. */
  destroy(): void;
}

export interface ClientHost {
  readonly serverId: ServerId;
  readonly inbox: Inbox;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly superDigest: string | undefined;
  /** Passwords by user; none: no SASL. */
  readonly saslUsers: ReadonlyMap<string, string>;
}

/** How long a connection may live without a `connect`. */
export const handshakeMs = 10_000;
/** After `end`, how long the other side may take to read what is buffered. */
const lingerMs = 5_000;

const passwordBytes = 16;
const noPassword = new Uint8Array(passwordBytes);

type State = "fresh" | "connecting" | "connected" | "ending" | "closed";

export class ClientConnection implements Guest {
  readonly id: ConnectionId;
  readonly remoteAddress: string;
  readonly #clients: ClientConnections;
  readonly #transport: ClientTransport;
  #state: State = "fresh";
  #timer: NodeJS.Timeout | undefined;
  #password: Uint8Array = noPassword;
  #outstanding = 0;
  #held: ClientMessage[] = [];
  #paused = false;
  #waitsForRoom = false;
  /** xid of an unanswered addAuth: what follows it must be judged with its identity. */
  #addingAuth: number | undefined;
  #writable = true;
  #output: ServerMessage[] = [];

  constructor(id: ConnectionId, remoteAddress: string, clients: ClientConnections, transport: ClientTransport) {
    this.id = id;
    this.remoteAddress = remoteAddress;
    this.#clients = clients;
    this.#transport = transport;
    this.#timer = setTimeout(() => this.abort("no connect in time"), handshakeMs);
  }

  // ---- from the client

  /** Session 0 asks for a new session: its password is made here and leaves with `connected`. */
  connect(session: SessionId | 0, password: Uint8Array, timeoutMs: number, lastZxid: Zxid, readOnly = false): void {
    if (this.#state !== "fresh") return this.abort("a second connect");
    this.#state = "connecting";
    this.#disarm();
    this.#password = session === 0 ? randomBytes(passwordBytes) : password;
    const passwordHash = createHash("sha256").update(this.#password).digest();
    this.#push({ type: "connect", session, passwordHash, timeoutMs, lastZxid, readOnly });
  }

  /** A request or a heartbeat. */
  receive(message: ClientMessage): void {
    if (this.#state === "ending" || this.#state === "closed") return;
    if (this.#state === "fresh") return this.abort("a request before connect");
    if (this.#state === "connecting") return this.#hold(message);
    // Heartbeats overtake: a client with many requests outstanding must not lose its session.
    if (message.type !== "request") return this.#push(message);
    if (this.#held.length > 0 || !this.#mayPass()) return this.#hold(message);
    this.#pass(message);
  }

  /** @internal */
  enter(): void {
    this.#waitsForRoom = false;
    this.#release();
  }

  /** The transport has gone, by whichever side. */
  transportClosed(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#leave();
    this.#output = [];
    this.#clients.closed(this);
  }

  /** The transport has written all that was buffered. */
  drained(): void {
    this.#gauge();
  }

  /** A broken protocol, a missed deadline, a consumer that does not read: one log line, and the end. */
  abort(reason: string): void {
    if (this.#state === "closed") return;
    this.#clients.host.logger.info({ connection: this.id, remote: this.remoteAddress, reason }, "client connection closed");
    this.#clients.dropped += 1;
    this.#transport.destroy();
    this.transportClosed();
  }

  // ---- from the core

  send(message: ServerMessage): void {
    if (this.#state === "ending" || this.#state === "closed") return;
    if (this.#output.length === 0) this.#clients.markDirty(this);
    this.#output.push(message);
    if (message.type === "reply") this.#answered(message.xid);
    else if (message.type === "connected") this.#connected();
  }

  /** Writes what the turn has gathered. */
  flush(): void {
    if (this.#output.length === 0) return;
    const messages = this.#output;
    this.#output = [];
    this.#transport.write(messages, this.#password);
    this.#gauge();
    if (messages.some((message) => message.type === "refused")) this.end("refused");
  }

  /** Closes after what was sent has been flushed. */
  end(reason: string): void {
    this.flush();
    if (this.#state === "ending" || this.#state === "closed") return;
    this.#state = "ending";
    this.#leave();
    this.#timer = setTimeout(() => this.abort("did not read to its end"), lingerMs);
    this.#transport.end(reason);
  }

  // ---- inside

  #connected(): void {
    this.#state = "connected";
    this.#release();
  }

  #isFull(): boolean {
    return this.#outstanding >= this.#clients.host.limits.outstanding_per_connection_max;
  }

  #mayPass(): boolean {
    return this.#addingAuth === undefined && !this.#isFull() && this.#clients.room.hasRoom(this.#outstanding);
  }

  #pass(message: ClientMessage): void {
    if (message.type === "request") {
      if (message.request.type === "addAuth") this.#addingAuth = message.xid;
      this.#outstanding += 1;
      this.#clients.room.entered();
    }
    this.#push(message);
  }

  #answered(xid: number): void {
    this.#outstanding -= 1;
    this.#clients.room.left(1);
    const authAdded = this.#addingAuth === xid;
    if (authAdded) this.#addingAuth = undefined;
    if (this.#held.length === 0 || this.#addingAuth !== undefined || this.#waitsForRoom) return;
    // In batches: a pause and a resume for each answer would cost more than the request.
    if (authAdded || this.#outstanding <= this.#clients.host.limits.outstanding_per_connection_max >> 1) this.#release();
  }

  #hold(message: ClientMessage): void {
    this.#held.push(message);
    this.#waitForRoom();
    if (this.#paused) return;
    this.#paused = true;
    this.#transport.pause();
  }

  /** Unless something of its own holds it back, which comes to an end by itself. */
  #waitForRoom(): void {
    if (this.#state !== "connected" || this.#waitsForRoom || this.#addingAuth !== undefined || this.#isFull()) return;
    this.#waitsForRoom = true;
    this.#clients.room.wait(this);
  }

  #release(): void {
    let passed = 0;
    for (const message of this.#held) {
      if (message.type === "request" && !this.#mayPass()) break;
      this.#pass(message);
      passed += 1;
    }
    this.#held.splice(0, passed);
    if (this.#held.length > 0) return this.#waitForRoom();
    if (!this.#paused) return;
    this.#paused = false;
    this.#transport.resume();
  }

  /** Answers to what is inside come no more; it makes room for those who wait. */
  #leave(): void {
    this.#disarm();
    this.#held = [];
    this.#clients.room.forget(this);
    this.#clients.room.left(this.#outstanding);
    this.#outstanding = 0;
    this.#clients.room.admit();
  }

  #push(message: ClientMessage): void {
    this.#clients.host.inbox.push({ type: "clientMessage", connection: this.id, message });
  }

  /** Tells the core when the buffer is half full, and when it is down to a quarter again. */
  #gauge(): void {
    if (this.#state === "closed") return;
    const max = this.#clients.host.limits.output_bytes_per_connection_max;
    const bytes = this.#transport.bufferedBytes();
    if (bytes > max) return this.abort("SLOW_CONSUMER: its output buffer is full");
    const writable = this.#writable ? bytes <= max / 2 : bytes <= max / 4;
    if (writable === this.#writable) return;
    this.#writable = writable;
    this.#clients.host.inbox.push({ type: "clientWritable", connection: this.id, writable });
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** All client connections of a server, both protocols. */
export class ClientConnections {
  readonly host: ClientHost;
  readonly room = new RequestRoom();
  readonly #connections = new Map<ConnectionId, ClientConnection>();
  #dirty: ClientConnection[] = [];
  /** Connections ended for cause: a broken protocol, a missed deadline, a full buffer. */
  dropped = 0;
  #lastId = 0;
  #stopped = false;

  constructor(host: ClientHost) {
    this.host = host;
  }

  get count(): number {
    return this.#connections.size;
  }

  /** Listeners ask before they accept; peers and status have their own ports and room. */
  hasRoom(): boolean {
    return !this.#stopped && this.#connections.size < this.host.limits.connections_max;
  }

  open(protocol: Protocol, remoteAddress: string, transport: ClientTransport): ClientConnection {
    this.#lastId += 1;
    const connection = new ClientConnection(this.#lastId, remoteAddress, this, transport);
    this.#connections.set(connection.id, connection);
    this.host.inbox.push({
      type: "clientConnected",
      connection: connection.id,
      protocol,
      identities: impliedIdentities(remoteAddress),
    });
    return connection;
  }

  send(id: ConnectionId, message: ServerMessage): void {
    this.#connections.get(id)?.send(message);
  }

  /** One write for each connection that something was sent to. */
  flush(): void {
    if (this.#dirty.length === 0) return;
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const connection of dirty) connection.flush();
    this.room.admit();
  }

  close(id: ConnectionId, reason: string): void {
    this.#connections.get(id)?.end(reason);
  }

  /** Tells every client to go elsewhere, and closes. No more are accepted. */
  goAway(reason: string): void {
    this.#stopped = true;
    for (const connection of [...this.#connections.values()]) {
      connection.send({ type: "goaway", reason });
      connection.end(reason);
    }
  }

  destroyAll(): void {
    this.#stopped = true;
    for (const connection of [...this.#connections.values()]) connection.abort("the server stops");
  }

  markDirty(connection: ClientConnection): void {
    this.#dirty.push(connection);
  }

  closed(connection: ClientConnection): void {
    if (!this.#connections.delete(connection.id)) return;
    this.host.inbox.push({ type: "clientClosed", connection: connection.id });
  }
}

export function impliedIdentities(remoteAddress: string): readonly AuthId[] {
  return [
    { scheme: "world", id: "anyone" },
    { scheme: "ip", id: remoteAddress },
  ];
}

/** Node shows an IPv4 client of a dual-stack socket as ::ffff:a.b.c.d. */
export function normalAddress(address: string | undefined): string {
  if (address === undefined) return "unknown";
  const tail = address.startsWith("::ffff:") ? address.slice(7) : address;
  return isIPv4(tail) ? tail : address;
}

/**
 * The identities that credentials prove; none when they are refused. Only the hash goes further. As in
 * ZooKeeper the super user is itself besides super, `ip` gives what the connection has anyway, and what
 * stands before the first colon of a digest, be it all, is the user.
 */
export function identitiesOf(
  scheme: string,
  credentials: Uint8Array,
  remoteAddress: string,
  superDigest: string | undefined,
): readonly AuthId[] {
  if (scheme === "ip") return [{ scheme, id: remoteAddress }];
  if (scheme !== "digest") return [];
  const text = Buffer.from(credentials.buffer, credentials.byteOffset, credentials.byteLength);
  const colon = text.indexOf(58);
  const user = text.toString("utf8", 0, colon < 0 ? text.length : colon);
  const id = `${user}:${createHash("sha1").update(text).digest("base64")}`;
  const own: AuthId = { scheme, id };
  return id === superDigest ? [{ scheme: "super", id: "" }, own] : [own];
}
