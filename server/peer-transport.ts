/**
 * The links to all other servers: one a pair, dialled by the higher id, dialled again with jittered
 * back-off until it stands. Numbers rise with each link, so the core tells a new link from its
 * predecessor; the old one's `peerLost` always comes before the new one's `peerConnected`.
 * A message object is encoded once a turn, however many peers it goes to.
 */
import { lookup } from "node:dns";
import { createServer, isIP, type Server, Socket } from "node:net";
import type { ServerId } from "../src/model/zxid.ts";
import { decodePeer, encodePeer } from "../src/wire/peer-codec.ts";
import type { PeerMessage } from "../src/zab/message.ts";
import type { Address, ConfiguredMember } from "./config.ts";
import { failpoint, failpointsArmed } from "./failpoint.ts";
import { listenOn } from "./http.ts";
import type { Inbox } from "./inbox.ts";
import type { Logger } from "./log.ts";
import type { PeerPort } from "./node.ts";
import { type PeerHandshake, PeerLink, type PeerLinkLimits, type PeerLinkOwner, peerLinkLimits } from "./peer-link.ts";

export interface PeerTransportOptions {
  readonly id: ServerId;
  readonly ensemble: readonly ConfiguredMember[];
  readonly listen: Address;
  readonly inbox: Inbox;
  readonly logger: Logger;
  readonly limits?: PeerLinkLimits;
}

const backOffMinMs = 20;
/** A link that stood this long proved itself; the loss of a younger one counts as one more failure to reach the peer. */
const stableMs = 1_000;
const backOffMaxMs = 1_000;
/** Connections that have not shaken hands yet; more are refused at once. */
const halfOpenMax = 32;

/** What we know of one peer. */
interface Peer {
  readonly member: ConfiguredMember;
  link: PeerLink | undefined;
  linkNumber: number;
  /** When `link` began to stand. */
  stoodAtMs: number;
  backOffMs: number;
  redial: NodeJS.Timeout | undefined;
  /** The last failure was logged; the next is not, until a link stands again. */
  complained: boolean;
}

export class PeerTransport implements PeerPort, PeerLinkOwner {
  readonly #options: PeerTransportOptions;
  readonly #limits: PeerLinkLimits;
  readonly #server: Server;
  readonly #peers = new Map<ServerId, Peer>();
  /** Links by what they are to us: a peer's dialled or standing link, or an accepted one before its handshake (undefined). */
  readonly #links = new Map<PeerLink, Peer | undefined>();
  readonly #encoded = new Map<PeerMessage, Uint8Array>();
  #linksMade = 0;
  #stopped = false;

  constructor(options: PeerTransportOptions) {
    this.#options = options;
    this.#limits = options.limits ?? peerLinkLimits;
    for (const member of options.ensemble) {
      if (member.id === options.id) continue;
      this.#peers.set(member.id, {
        member,
        link: undefined,
        linkNumber: 0,
        stoodAtMs: 0,
        backOffMs: backOffMinMs,
        redial: undefined,
        complained: false,
      });
    }
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Listens, then begins to dial. */
  async start(): Promise<Address> {
    const bound = await listenOn(this.#server, this.#options.listen, "peer");
    for (const peer of this.#peers.values()) if (this.#dials(peer)) this.#dial(peer);
    return bound;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const peer of this.#peers.values()) clearTimeout(peer.redial);
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const link of [...this.#links.keys()]) link.close("this server stops");
    await closed;
  }

  // ---- from the loop

  send(id: ServerId, linkNumber: number, message: PeerMessage): void {
    const peer = this.#peers.get(id);
    if (peer?.link === undefined || peer.linkNumber !== linkNumber) return;
    if (failpointsArmed) failpoint(`${message.type}BeforeSend`);
    let body = this.#encoded.get(message);
    if (body === undefined) {
      body = encodePeer(message);
      this.#encoded.set(message, body);
    }
    peer.link.send(body);
  }

  flush(): void {
    this.#encoded.clear();
    for (const peer of this.#peers.values()) peer.link?.flush();
  }

  close(id: ServerId, linkNumber: number, reason: string): void {
    const peer = this.#peers.get(id);
    if (peer?.linkNumber === linkNumber) peer.link?.close(reason);
  }

  // ---- dialling and accepting

  #dials(peer: Peer): boolean {
    return this.#options.id > peer.member.id;
  }

  #dial(peer: Peer): void {
    const { host, port } = peer.member;
    const socket = new Socket();
    const link = new PeerLink(socket, this, this.#limits);
    this.#links.set(link, peer);
    resolveHost(host, (error, address) => {
      if (error !== undefined) link.close(error.message);
      else if (!socket.destroyed) socket.connect({ host: address, port });
    });
    socket.once("connect", () => link.sendHandshake({ from: this.#options.id, to: peer.member.id }));
  }

  #dialLater(peer: Peer): void {
    if (this.#stopped) return;
    const delay = peer.backOffMs * (0.5 + Math.random() / 2);
    peer.backOffMs = Math.min(peer.backOffMs * 2, backOffMaxMs);
    peer.redial = setTimeout(() => this.#dial(peer), delay);
  }

  #accept(socket: Socket): void {
    let halfOpen = 0;
    for (const peer of this.#links.values()) if (peer === undefined) halfOpen += 1;
    if (this.#stopped || halfOpen >= halfOpenMax) {
      socket.on("error", () => {});
      socket.destroy();
      return;
    }
    this.#links.set(new PeerLink(socket, this, this.#limits), undefined);
  }

  // ---- from the links

  onHandshake(link: PeerLink, handshake: PeerHandshake): boolean {
    const dialled = this.#links.get(link);
    const peer = this.#peers.get(handshake.from);
    if (peer === undefined || handshake.to !== this.#options.id)
      return this.#refuse(link, handshake, "its ids are not of this ensemble");
    if (dialled !== undefined && dialled !== peer) return this.#refuse(link, handshake, "another server than the one dialled");
    if (dialled === undefined && this.#dials(peer)) return this.#refuse(link, handshake, "the higher id dials");
    if (dialled === undefined) link.sendHandshake({ from: this.#options.id, to: handshake.from });
    this.#stand(peer, link);
    return true;
  }

  #refuse(link: PeerLink, handshake: PeerHandshake, reason: string): boolean {
    this.#options.logger.warn({ remote: link.remoteAddress, from: handshake.from, to: handshake.to, reason }, "peer refused");
    return false;
  }

  #stand(peer: Peer, link: PeerLink): void {
    // A peer that restarted dials anew before we have noticed that its old link is dead.
    peer.link?.close("replaced by a newer link");
    this.#linksMade += 1;
    this.#links.set(link, peer);
    peer.link = link;
    peer.linkNumber = this.#linksMade;
    peer.stoodAtMs = performance.now();
    peer.complained = false;
    this.#options.logger.info({ peer: peer.member.id, link: peer.linkNumber }, "peer connected");
    this.#options.inbox.push({ type: "peerConnected", peer: peer.member.id, link: peer.linkNumber });
  }

  onMessage(link: PeerLink, body: Uint8Array): void {
    const peer = this.#links.get(link);
    if (peer?.link !== link) return;
    const message = decodePeer(body);
    if (failpointsArmed) failpoint(`${message.type}AfterReceive`);
    this.#options.inbox.push({ type: "peerMessage", peer: peer.member.id, link: peer.linkNumber, message });
  }

  onClosed(link: PeerLink, reason: string): void {
    const peer = this.#links.get(link);
    this.#links.delete(link);
    if (peer === undefined) return this.#options.logger.debug({ remote: link.remoteAddress, reason }, "peer handshake failed");
    const stood = peer.link === link;
    if (stood) {
      peer.link = undefined;
      if (performance.now() - peer.stoodAtMs >= stableMs) peer.backOffMs = backOffMinMs;
      this.#options.inbox.push({ type: "peerLost", peer: peer.member.id, link: peer.linkNumber });
    }
    this.#complain(peer, stood, reason);
    if (this.#dials(peer)) this.#dialLater(peer);
  }

  #complain(peer: Peer, stood: boolean, reason: string): void {
    if (this.#stopped || (!stood && peer.complained)) return;
    peer.complained = true;
    this.#options.logger.info({ peer: peer.member.id, reason }, stood ? "peer lost" : "peer not reached");
  }
}

type Resolved = (error: Error | undefined, address: string) => void;

const waiting: (readonly [host: string, done: Resolved])[] = [];

/**
 * Host names are looked up one at a time: `lookup` occupies a thread of the pool that fdatasync uses,
 * and with a dead name server, one lookup for each peer would stall the log.
 */
function resolveHost(host: string, done: Resolved): void {
  if (isIP(host) !== 0) return done(undefined, host);
  waiting.push([host, done]);
  if (waiting.length === 1) resolveNext();
}

function resolveNext(): void {
  const first = waiting[0];
  if (first === undefined) return;
  lookup(first[0], (error, address) => {
    waiting.shift();
    first[1](error ?? undefined, address);
    resolveNext();
  });
}
