/**
 * What goes to the network in a turn: commands in order, messages to one transport in one batch. Also
 * gives requests their xids, never used twice, and keeps whose answers are our own. Owned by `connection.ts`.
 */
import type { ClientWireMessage } from "../src/wire/client-codec.ts";
import type { ClientRequest, Command } from "./connection-event.ts";
import { noQuorumMs } from "./refusals.ts";
import type { Entry } from "./request-table.ts";

/** Requests of our own: who takes the answer. */
export type Internal =
  | { readonly type: "auth" | "watches" | "unsubscribe" }
  | { readonly type: "stream"; readonly number: number };

export class Outbox {
  #commands: Command[] = [];
  #messages: ClientWireMessage[] = [];
  readonly #internals = new Map<number, Internal>();
  #xids = 0;

  command(command: Command): void {
    this.#commands.push(command);
  }

  message(message: ClientWireMessage): void {
    this.#messages.push(message);
  }

  /** Returns the xid of this send. */
  request(entry: Entry, ackedSeq: number, nowMs: number): number {
    this.#xids += 1;
    const { request, level, seq, guards, isWrite } = entry;
    const deadlineMs = entry.call === 0 ? 0 : waitMs(entry, nowMs);
    this.#messages.push({
      type: "request",
      xid: this.#xids,
      request,
      level,
      seq,
      ackedSeq: isWrite ? ackedSeq : 0,
      guards,
      deadlineMs,
    });
    return this.#xids;
  }

  internal(request: ClientRequest, internal: Internal): void {
    this.#xids += 1;
    this.#internals.set(this.#xids, internal);
    this.#messages.push({
      type: "request",
      xid: this.#xids,
      request,
      level: { type: "session" },
      seq: 0,
      ackedSeq: 0,
      guards: [],
      deadlineMs: 0,
    });
  }

  /** Whose answer it is, once; undefined: a call's. */
  takeInternal(xid: number): Internal | undefined {
    const internal = this.#internals.get(xid);
    if (internal !== undefined) this.#internals.delete(xid);
    return internal;
  }

  /** The connection is gone: nothing of it is sent or answered any more. */
  clear(): void {
    this.#messages.length = 0;
    this.#internals.clear();
  }

  flush(transport: number): void {
    if (this.#messages.length === 0) return;
    this.#commands.push({ type: "send", transport, messages: this.#messages });
    this.#messages = [];
  }

  takeCommands(): readonly Command[] {
    const commands = this.#commands;
    this.#commands = [];
    return commands;
  }
}

/** A little less for reads, so that the server's NO_QUORUM comes before our own TIMEOUT, which tells less. */
function waitMs(entry: Entry, nowMs: number): number {
  const leftMs = entry.deadlineMs - nowMs;
  return Math.max(1, Math.ceil(entry.isWrite ? leftMs : leftMs - Math.min(leftMs / 10, noQuorumMs / 2)));
}
