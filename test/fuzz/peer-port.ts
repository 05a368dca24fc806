/**
 * The peer port without a network: a real PeerLink on a socket that is none, fed a handshake and frames, whole or
 * damaged, in pieces of any size. What reaches the owner came behind a handshake and decodes, or the link is closed;
 * a closed link says nothing more.
 */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { PeerLink, type PeerLinkOwner, peerLinkLimits } from "../../server/peer-link.ts";
import { frameHeader } from "../../src/wire/frame.ts";
import { decodePeer } from "../../src/wire/peer-codec.ts";
import { damage, targets } from "../wire/fuzz-targets.ts";
import type { Draw, Fuzzer } from "./fuzzer.ts";

class NoSocket extends EventEmitter {
  destroyed = false;
  readonly writableLength = 0;
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  write(): boolean {
    return true;
  }
  destroy(): this {
    this.destroyed = true;
    return this;
  }
}

const messages = targets.find((target) => target.name === "PeerMessage")?.corpus ?? [];
const handshake = Uint8Array.of(0x7a, 0x62, 0x72, 0x50, 0, 1, 0, 2, 0, 1, 0, 0);

function stream(random: Draw): Uint8Array {
  const bodies = [random(4) === 0 ? damage(handshake, random) : handshake];
  for (let i = random(4); i > 0; i -= 1) {
    const message = messages[random(messages.length)] ?? new Uint8Array(1);
    bodies.push(random(2) === 0 ? damage(message, random) : message);
  }
  const bytes = Buffer.concat(bodies.flatMap((body) => [frameHeader(body.length), body]));
  return random(3) === 0 ? damage(bytes, random) : bytes;
}

export const peerPort: Fuzzer = {
  name: "peer port",
  play: (random) => {
    const socket = new NoSocket();
    let shook = false;
    let closed = false;
    const owner: PeerLinkOwner = {
      onHandshake: (_link, { from, to }) => {
        shook = true;
        return from === 2 && to === 1;
      },
      onMessage: (_link, body) => {
        if (!shook || closed) throw new Error("a message without a handshake, or after the end");
        decodePeer(body);
      },
      onClosed: () => {
        if (closed) throw new Error("closed twice");
        closed = true;
      },
    };
    // A PeerLink asks no more of a socket than this.
    const link = new PeerLink(socket as unknown as Socket, owner, { ...peerLinkLimits, frameBytesMax: 1 << 20 });
    const bytes = stream(random);
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + 1 + random(64));
      socket.emit("data", Buffer.from(bytes.subarray(at, end)));
      at = end;
    }
    const taken = shook && !closed;
    link.close("the end of the input");
    if (!closed || !socket.destroyed) throw new Error("the link was not closed");
    return taken;
  },
};
