/** Gathers a turn's effects; `take` hands them over and starts anew. */
import type { ServerMessage } from "../model/client-message.ts";
import type { ConnectionId, ServerId } from "../model/zxid.ts";
import type { PeerMessage } from "../zab/message.ts";
import type { ClientSend, Effects, Halt, LogLine, PeerSend } from "./effects.ts";

export class EffectsBuilder {
  #peerSends: PeerSend[] = [];
  #peerCloses: { peer: ServerId; link: number; reason: string }[] = [];
  #clientSends: ClientSend[] = [];
  #clientCloses: { connection: ConnectionId; reason: string }[] = [];
  #logLines: LogLine[] = [];
  #halt: Halt | undefined;
  again = false;

  get halted(): boolean {
    return this.#halt !== undefined;
  }

  send(peer: ServerId, link: number, message: PeerMessage): void {
    this.#peerSends.push({ peer, link, message });
  }

  closePeer(peer: ServerId, link: number, reason: string): void {
    this.#peerCloses.push({ peer, link, reason });
  }

  reply(connection: ConnectionId, message: ServerMessage): void {
    this.#clientSends.push({ connection, message });
  }

  closeClient(connection: ConnectionId, reason: string): void {
    this.#clientCloses.push({ connection, reason });
  }

  log(level: LogLine["level"], message: string, fields: LogLine["fields"] = {}): void {
    this.#logLines.push({ level, message, fields });
  }

  /** The first reason stands. */
  stop(exitCode: 70 | 78, reason: string): void {
    this.#halt ??= { exitCode, reason };
  }

  take(): Effects {
    const effects: Effects = {
      peerSends: this.#peerSends,
      peerCloses: this.#peerCloses,
      clientSends: this.#clientSends,
      clientCloses: this.#clientCloses,
      logLines: this.#logLines,
      halt: this.#halt,
      again: this.again,
    };
    this.#peerSends = [];
    this.#peerCloses = [];
    this.#clientSends = [];
    this.#clientCloses = [];
    this.#logLines = [];
    this.again = false;
    return effects;
  }
}
