/**
 * The calls of a client: those waiting for room, and those *open*, which have been sent at least once.
 * Owned by `connection.ts`, which sends what `nextToSend` names and reports what comes back.
 *
 * Writes are numbered (seq) when they first leave; the server decides them strictly in that order and
 * keeps the outcomes of all above `ackedSeq`, so a write may be sent any number of times and is applied
 * once. What follows from that:
 * - Invariant: `#writes` holds consecutive seqs, the first one `ackedSeq + 1`, none of them dropped before
 *   the server has answered it. A call that is given up stays as a *skip*, or every later seq would wait
 *   for it for ever.
 * - A refusal that was not logged (OVERLOADED …) leaves a gap. Later writes are refused OUT_OF_ORDER;
 *   nothing new is sent until the gap is closed, and everything behind it goes out again in call order,
 *   reads too: a read that overtook an earlier write of its session would break FIFO order.
 * - *Doubt*: some copy of the write may be on its way to a leader: it was sent over a connection that broke,
 *   or refused in a way that proves nothing. Given up without doubt, a write has certainly failed.
 */
import { assert } from "../src/model/assert.ts";
import type { ErrorCode } from "../src/model/error.ts";
import { operations } from "../src/model/operation.ts";
import type { Guard, ReadLevel } from "../src/model/request.ts";
import type { CallSpec, ClientRequest } from "./connection-event.ts";
import { Deadlines } from "./deadlines.ts";

/** `waiting`: no seq, never sent. `due`: to be sent (again). `refused`: due after a back-off. */
export type Phase = "waiting" | "due" | "inFlight" | "refused" | "done";

export interface Entry {
  /** 0: nobody waits for the answer. */
  call: number;
  request: ClientRequest;
  readonly level: ReadLevel;
  guards: readonly Guard[];
  readonly isWrite: boolean;
  readonly deadlineMs: number;
  /** Writes: from 1, once it left `waiting`. */
  seq: number;
  /** Of the last send; 0 when not in flight. */
  xid: number;
  phase: Phase;
  doubt: boolean;
  /** Why it was refused last, for the error of its deadline. */
  refusal: ErrorCode | undefined;
}

const noGuards: readonly Guard[] = [];
const skipRequest: ClientRequest = { type: "skip" };

export interface TableLimits {
  readonly outstandingMax: number;
  readonly queuedMax: number;
}

export class RequestTable {
  readonly #limits: TableLimits;
  readonly #calls = new Map<number, Entry>();
  readonly #waiting = new Set<Entry>();
  /** In call order. */
  readonly #open = new Set<Entry>();
  readonly #byXid = new Map<number, Entry>();
  readonly #deadlines = new Deadlines<Entry>();
  #writes: Entry[] = [];
  #writesHead = 0;
  #nextSeq = 1;
  /** Whether some open entry is `due`. */
  #someDue = false;
  #refusedCount = 0;

  constructor(limits: TableLimits) {
    this.#limits = limits;
  }

  /** The server's answers up to here have all come. */
  get ackedSeq(): number {
    return this.#nextSeq - 1 - (this.#writes.length - this.#writesHead);
  }

  get lastSeq(): number {
    return this.#nextSeq - 1;
  }

  get openCount(): number {
    return this.#open.size;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** True while something was refused and waits to be sent again. */
  get blocked(): boolean {
    return this.#refusedCount > 0;
  }

  get nextDeadlineMs(): number | undefined {
    return this.#deadlines.nextMs;
  }

  /** A new session begins, or an earlier process left off at this seq. */
  restart(lastSeq: number): void {
    assert(this.#open.size === 0 && this.ackedSeq === this.lastSeq, "a session begins without open calls");
    this.#nextSeq = lastSeq + 1;
    this.#writes = [];
    this.#writesHead = 0;
  }

  /** False: there is no room for another call. */
  add(spec: CallSpec, nowMs: number): boolean {
    if (this.#waiting.size >= this.#limits.queuedMax) return false;
    const entry = makeEntry(spec.call, spec.request, spec.level, spec.guards, nowMs + spec.timeoutMs);
    assert(!this.#calls.has(spec.call), "a call's number is used once");
    this.#calls.set(spec.call, entry);
    this.#waiting.add(entry);
    this.#deadlines.add(entry);
    return true;
  }

  /** A request of our own that must be sent like a call (closeSession), without an answer to anybody. */
  addInternal(request: ClientRequest, nowMs: number, timeoutMs: number): Entry {
    const entry = makeEntry(0, request, { type: "session" }, noGuards, nowMs + timeoutMs);
    this.#waiting.add(entry);
    return entry;
  }

  find(call: number): Entry | undefined {
    return this.#calls.get(call);
  }

  inFlight(xid: number): Entry | undefined {
    return this.#byXid.get(xid);
  }

  takeDue(nowMs: number): readonly Entry[] {
    return this.#deadlines.takeDue(nowMs);
  }

  // ---- sending

  /** All that may be sent now, in order: what is due first, then new calls while there is room. */
  *toSend(): Iterable<Entry> {
    if (this.#someDue) {
      this.#someDue = false;
      for (const entry of this.#open) if (entry.phase === "due") yield entry;
    }
    if (this.blocked) return;
    for (const entry of this.#waiting) {
      if (!this.#hasRoom(entry)) return;
      this.#admit(entry);
      yield entry;
    }
  }

  /** The span of seqs is bounded too: the server keeps a bounded number of answers. */
  #hasRoom(entry: Entry): boolean {
    if (this.#open.size >= this.#limits.outstandingMax) return false;
    return !entry.isWrite || this.#nextSeq - this.ackedSeq <= this.#limits.outstandingMax;
  }

  #admit(entry: Entry): void {
    this.#waiting.delete(entry);
    this.#open.add(entry);
    if (!entry.isWrite) return;
    entry.seq = this.#nextSeq;
    this.#nextSeq += 1;
    this.#writes.push(entry);
  }

  onSent(entry: Entry, xid: number): void {
    assert(entry.xid === 0, "a request is in flight once");
    entry.phase = "inFlight";
    entry.xid = xid;
    this.#byXid.set(xid, entry);
  }

  // ---- what comes back

  /** The server's final answer has come. */
  finish(entry: Entry): void {
    this.#ground(entry);
    this.#close(entry);
    entry.phase = "done";
    this.#popWrites();
  }

  /** Refused without a log entry: it must be sent again, and with it everything behind it. */
  refuse(entry: Entry, code: ErrorCode, provesNotApplied: boolean): void {
    entry.refusal = code;
    if (!provesNotApplied) entry.doubt = true;
    this.#ground(entry);
    this.#markRefused(entry);
    if (entry.isWrite) this.#refuseReadsBehind(entry);
  }

  #refuseReadsBehind(write: Entry): void {
    let behind = false;
    for (const entry of this.#open) {
      if (entry === write) behind = true;
      else if (behind && !entry.isWrite && entry.phase === "inFlight") {
        this.#ground(entry);
        this.#markRefused(entry);
      }
    }
  }

  #markRefused(entry: Entry): void {
    entry.phase = "refused";
    this.#refusedCount += 1;
  }

  /** The back-off is over: what was refused is due. */
  releaseRefused(): void {
    if (this.#refusedCount === 0) return;
    for (const entry of this.#open) if (entry.phase === "refused") entry.phase = "due";
    this.#refusedCount = 0;
    this.#someDue = true;
  }

  /** All that is open must be sent again on the next connection. */
  onDisconnected(): void {
    this.#byXid.clear();
    this.#refusedCount = 0;
    for (const entry of this.#open) {
      if (entry.phase === "inFlight") entry.doubt = true;
      entry.xid = 0;
      entry.phase = "due";
    }
    this.#someDue = this.#open.size > 0;
  }

  // ---- giving up

  /**
   * Its caller waits no longer. The answer says whether the outcome is known: a read, a call never sent
   * and a write without doubt have failed; any other write may have been, or may yet be, applied.
   */
  giveUp(entry: Entry): "failed" | "unknown" {
    assert(entry.call !== 0 && entry.phase !== "done", "a call is given up once");
    const unknown = entry.isWrite && (entry.doubt || entry.phase === "inFlight");
    if (entry.isWrite && entry.seq > 0) this.#toSkip(entry);
    else {
      this.#ground(entry);
      this.#close(entry);
      entry.phase = "done";
    }
    return unknown ? "unknown" : "failed";
  }

  /** While in flight it is left alone: the answer to come consumes the seq just as well. */
  #toSkip(entry: Entry): void {
    this.#release(entry);
    entry.request = skipRequest;
    entry.guards = noGuards;
  }

  /** Ends everything: the session is over. In call order. */
  endAll(ended: (call: number, outcome: "failed" | "unknown") => void): void {
    for (const entry of this.#open) this.#endOne(entry, ended);
    for (const entry of this.#waiting) this.#endOne(entry, ended);
    this.#open.clear();
    this.#waiting.clear();
    this.#byXid.clear();
    this.#writes = [];
    this.#writesHead = 0;
    this.#refusedCount = 0;
    this.#someDue = false;
  }

  /** Ends what was never sent. */
  endWaiting(ended: (call: number, outcome: "failed" | "unknown") => void): void {
    for (const entry of this.#waiting) this.#endOne(entry, ended);
    this.#waiting.clear();
  }

  #endOne(entry: Entry, ended: (call: number, outcome: "failed" | "unknown") => void): void {
    const unknown = entry.isWrite && (entry.doubt || entry.phase === "inFlight");
    const call = entry.call;
    this.#release(entry);
    entry.phase = "done";
    if (call !== 0) ended(call, unknown ? "unknown" : "failed");
  }

  // ---- bookkeeping

  /** No longer in flight, nor counted as refused. */
  #ground(entry: Entry): void {
    if (entry.xid !== 0) this.#byXid.delete(entry.xid);
    entry.xid = 0;
    if (entry.phase === "refused") this.#refusedCount -= 1;
  }

  #close(entry: Entry): void {
    this.#release(entry);
    this.#open.delete(entry);
    this.#waiting.delete(entry);
  }

  #release(entry: Entry): void {
    if (entry.call === 0) return;
    this.#calls.delete(entry.call);
    this.#deadlines.remove(entry);
    entry.call = 0;
  }

  #popWrites(): void {
    while (this.#writes[this.#writesHead]?.phase === "done") this.#writesHead += 1;
    if (this.#writesHead === this.#writes.length) {
      this.#writes.length = 0;
      this.#writesHead = 0;
    } else if (this.#writesHead >= 256) {
      this.#writes.splice(0, this.#writesHead);
      this.#writesHead = 0;
    }
  }
}

function makeEntry(call: number, request: ClientRequest, level: ReadLevel, guards: readonly Guard[], deadlineMs: number): Entry {
  return {
    call,
    request,
    level,
    guards,
    isWrite: operations[request.type].class === "write",
    deadlineMs,
    seq: 0,
    xid: 0,
    phase: "waiting",
    doubt: false,
    refusal: undefined,
  };
}
