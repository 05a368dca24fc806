/**
 * One TCP connection between two servers: handshake, frames both ways, liveness, bounded output.
 * First each side sends {magic, version, its id, the id it means}; then frames of peer messages, and
 * a one-byte ping when there was nothing to send. The peer transport owns links and decides which of
 * them a peer's link is; what the messages mean is the core's business.
 *
 * Invariants: `onClosed` is called once, after which nothing else is; messages arrive whole and in order.
 */
import type { Socket } from "node:net";
import type { ServerId } from "../src/model/zxid.ts";
import { FrameDecoder, frameHeader } from "../src/wire/frame.ts";

export interface PeerHandshake {
  readonly from: ServerId;
  readonly to: ServerId;
}

export interface PeerLinkLimits {
  readonly frameBytesMax: number;
  /** Written and not yet taken by the kernel: a peer that is so far behind gets a new link, and synchronises. */
  readonly sendBytesMax: number;
  readonly handshakeMs: number;
  readonly pingMs: number;
  /** The link is dropped after this many ping intervals in which nothing came. */
  readonly silentIntervalsMax: number;
}

export const peerLinkLimits: PeerLinkLimits = {
  frameBytesMax: 64 << 20,
  // More than all that a leader may have outstanding: that alone must not cost it a follower.
  sendBytesMax: 96 << 20,
  handshakeMs: 5_000,
  pingMs: 500,
  silentIntervalsMax: 8,
};

export interface PeerLinkOwner {
  /** The other side's handshake, well formed. False refuses it. */
  onHandshake(link: PeerLink, handshake: PeerHandshake): boolean;
  /** An encoded peer message. Throws what is malformed. */
  onMessage(link: PeerLink, body: Uint8Array): void;
  onClosed(link: PeerLink, reason: string): void;
}

const magic = 0x7a62_7250;
const version = 1;
const handshakeBytes = 12;
/** No protobuf message begins with a zero byte. */
const ping = Uint8Array.of(0, 0, 0, 1, 0);
const gatherBytesMax = 64 * 1024;

export class PeerLink {
  readonly #socket: Socket;
  readonly #owner: PeerLinkOwner;
  readonly #limits: PeerLinkLimits;
  readonly #decoder: FrameDecoder;
  readonly #handshakeTimer: NodeJS.Timeout;
  readonly #pinger: NodeJS.Timeout;
  #shook = false;
  #closed = false;
  #silentIntervals = 0;
  #sentSincePing = false;
  #bodies: Uint8Array[] = [];
  #bytes = 0;

  /** The socket may still be connecting. */
  constructor(socket: Socket, owner: PeerLinkOwner, limits: PeerLinkLimits) {
    this.#socket = socket;
    this.#owner = owner;
    this.#limits = limits;
    this.#decoder = new FrameDecoder(limits.frameBytesMax);
    this.#handshakeTimer = setTimeout(() => this.close("no handshake in time"), limits.handshakeMs);
    this.#pinger = setInterval(() => this.#checkLiveness(), limits.pingMs);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 1_000);
    socket.on("data", (chunk: Buffer) => this.#data(chunk));
    socket.on("error", (error) => this.close(error.message));
    socket.on("close", () => this.close("closed by the other side"));
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? "unknown";
  }

  get shook(): boolean {
    return this.#shook;
  }

  sendHandshake(handshake: PeerHandshake): void {
    const body = Buffer.alloc(handshakeBytes);
    body.writeUInt32BE(magic, 0);
    body.writeUInt16BE(version, 4);
    body.writeUInt16BE(handshake.from, 6);
    body.writeUInt16BE(handshake.to, 8);
    this.#socket.write(Buffer.concat([frameHeader(body.length), body]));
  }

  /** Gathered until `flush`. */
  send(body: Uint8Array): void {
    this.#bodies.push(body);
    this.#bytes += body.length + 4;
  }

  /** Everything gathered, in one write. */
  flush(): void {
    if (this.#bodies.length === 0 || this.#closed) return;
    const bodies = this.#bodies;
    const bytes = this.#bytes;
    this.#bodies = [];
    this.#bytes = 0;
    this.#sentSincePing = true;
    if (bytes <= gatherBytesMax) this.#socket.write(gather(bodies, bytes));
    else this.#writeMany(bodies);
    if (this.#socket.writableLength > this.#limits.sendBytesMax) this.close("the peer does not read: the send buffer is full");
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#handshakeTimer);
    clearInterval(this.#pinger);
    this.#bodies = [];
    this.#socket.destroy();
    this.#owner.onClosed(this, reason);
  }

  #writeMany(bodies: readonly Uint8Array[]): void {
    this.#socket.cork();
    for (const body of bodies) {
      this.#socket.write(frameHeader(body.length));
      this.#socket.write(body);
    }
    this.#socket.uncork();
  }

  #data(chunk: Buffer): void {
    if (this.#closed) return;
    this.#silentIntervals = 0;
    try {
      this.#decoder.push(chunk);
      for (let body = this.#decoder.next(); body !== undefined && !this.#closed; body = this.#decoder.next()) this.#body(body);
    } catch (error) {
      this.close(`bad frame: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #body(body: Uint8Array): void {
    if (!this.#shook) return this.#shake(body);
    if (body.length === 1 && body[0] === 0) return;
    this.#owner.onMessage(this, body);
  }

  #shake(body: Uint8Array): void {
    const handshake = parseHandshake(body);
    if (handshake === undefined) return this.close("not a peer of this protocol version");
    this.#shook = true;
    clearTimeout(this.#handshakeTimer);
    if (!this.#owner.onHandshake(this, handshake)) this.close("handshake refused");
  }

  /** Counted in intervals, not in time: after a stall of our own, one interval has passed, and data may wait. */
  #checkLiveness(): void {
    this.#silentIntervals += 1;
    if (this.#silentIntervals > this.#limits.silentIntervalsMax) return this.close("nothing heard");
    if (this.#shook && !this.#sentSincePing) this.#socket.write(ping);
    this.#sentSincePing = false;
  }
}

function parseHandshake(bytes: Uint8Array): PeerHandshake | undefined {
  if (bytes.length !== handshakeBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== magic || view.getUint16(4) !== version) return undefined;
  return { from: view.getUint16(6), to: view.getUint16(8) };
}

function gather(bodies: readonly Uint8Array[], bytes: number): Uint8Array {
  const gathered = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const body of bodies) {
    gathered.writeUInt32BE(body.length, at);
    gathered.set(body, at + 4);
    at += body.length + 4;
  }
  return gathered;
}
