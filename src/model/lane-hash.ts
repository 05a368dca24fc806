/**
 * The hash below the tree digest: two independent 32-bit lanes, because bitwise JavaScript has 32
 * bits and one lane is too few. It finds accidents (a flipped bit, a diverged replica), not enemies.
 * Each step is a bijection of its lane's state, so a single differing word always shows. One object
 * is reused: `start`, feed, `finish`, then read `high` and `low`. Users: tree and session digests.
 */

const twoPow32 = 0x1_0000_0000;

export class LaneHash {
  /** Lanes, as signed 32-bit integers; read after `finish`. */
  high = 0;
  low = 0;

  start(seed: number): void {
    this.high = seed | 0;
    this.low = Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995;
  }

  /** Goes on from lanes that were read before `finish`: for hashes with a common beginning. */
  resume(high: number, low: number): void {
    this.high = high;
    this.low = low;
  }

  /** 32 bits. */
  word(value: number): void {
    const high = Math.imul(this.high ^ value, 0x9e3779b1);
    this.high = high ^ (high >>> 15);
    const low = Math.imul(((this.low << 5) | (this.low >>> 27)) ^ value, 0x85ebca6b);
    this.low = low ^ (low >>> 13);
  }

  /** A safe integer. */
  number(value: number): void {
    this.word(value | 0);
    this.word(Math.floor(value / twoPow32) | 0);
  }

  text(value: string): void {
    this.word(value.length);
    for (let i = 0; i < value.length; i += 1) this.word(value.charCodeAt(i));
  }

  bytes(value: Uint8Array): void {
    const whole = value.length & ~3;
    this.word(value.length);
    for (let i = 0; i < whole; i += 4) {
      this.word((value[i] ?? 0) | ((value[i + 1] ?? 0) << 8) | ((value[i + 2] ?? 0) << 16) | ((value[i + 3] ?? 0) << 24));
    }
    for (let i = whole; i < value.length; i += 1) this.word(value[i] ?? 0);
  }

  finish(): void {
    this.high = scatter(this.high);
    this.low = scatter(this.low);
  }
}

/** MurmurHash3's final mix: every bit of the input reaches every bit of the output. */
function scatter(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** A sum of hashes, modulo 2³² in each lane: independent of order, kept up to date by adding and subtracting terms. */
export class LaneSum {
  #high = 0;
  #low = 0;

  /** Unsigned. */
  get high(): number {
    return this.#high >>> 0;
  }

  get low(): number {
    return this.#low >>> 0;
  }

  set(high: number, low: number): void {
    this.#high = high | 0;
    this.#low = low | 0;
  }

  add(high: number, low: number): void {
    this.#high = (this.#high + high) | 0;
    this.#low = (this.#low + low) | 0;
  }

  subtract(high: number, low: number): void {
    this.#high = (this.#high - high) | 0;
    this.#low = (this.#low - low) | 0;
  }
}
