/**
 * The results of a session's latest writes, for writes that are sent again (design: reply table).
 * Holds exactly (ackedSeq, lastSeq]: a result goes when the client says, in a later write, that it
 * has it, and for no other reason (an evicted result's write would be applied twice). Bytes are
 * counted by running totals, so the bytes of any span are a difference.
 */
import { assert } from "../model/assert.ts";
import type { Outcome } from "../model/request.ts";
import type { Zxid } from "../model/zxid.ts";

export interface Reply {
  readonly zxid: Zxid;
  readonly outcome: Outcome;
  /** Bytes of all the session's results up to this one, ever. */
  readonly totalBytes: number;
}

export class ReplyTable {
  /** Result of seq ackedSeq + 1 + i at #replies[#head + i]. */
  #replies: (Reply | undefined)[] = [];
  #head = 0;
  #ackedSeq: number;
  #ackedBytes = 0;
  #totalBytes = 0;

  constructor(ackedSeq: number) {
    this.#ackedSeq = ackedSeq;
  }

  get ackedSeq(): number {
    return this.#ackedSeq;
  }

  get lastSeq(): number {
    return this.#ackedSeq + this.#replies.length - this.#head;
  }

  get bytes(): number {
    return this.#totalBytes - this.#ackedBytes;
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  get(seq: number): Reply | undefined {
    return this.#replies[this.#head + seq - this.#ackedSeq - 1];
  }

  add(seq: number, zxid: Zxid, outcome: Outcome, bytes: number): void {
    assert(seq === this.lastSeq + 1, "a session's writes were applied out of order");
    this.#totalBytes += bytes;
    this.#replies.push({ zxid, outcome, totalBytes: this.#totalBytes });
  }

  /** Forgets results up to `ackedSeq`, at most up to the last. */
  acknowledge(ackedSeq: number): void {
    const target = Math.min(ackedSeq, this.lastSeq);
    while (this.#ackedSeq < target) {
      this.#ackedBytes = this.#replies[this.#head]?.totalBytes ?? this.#ackedBytes;
      this.#replies[this.#head] = undefined;
      this.#head += 1;
      this.#ackedSeq += 1;
    }
    if (this.#head > 64 && this.#head * 2 > this.#replies.length) {
      this.#replies = this.#replies.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Bytes of all results up to `seq`, ever; those up to the last one when `seq` is beyond it. */
  totalUpTo(seq: number): number {
    if (seq <= this.#ackedSeq) return this.#ackedBytes;
    return this.get(seq)?.totalBytes ?? this.#totalBytes;
  }

  *entries(): Iterable<readonly [seq: number, reply: Reply]> {
    for (let i = this.#head; i < this.#replies.length; i += 1) {
      const reply = this.#replies[i];
      assert(reply !== undefined, "the reply table has a hole");
      yield [this.#ackedSeq + 1 + i - this.#head, reply];
    }
  }
}
