/**
 * Seeded randomness of the simulator: xoshiro128**, 32-bit operations only. One stream a concern
 * (`fork("net")`), derived from seed and name and never from another stream's draws, so that taking
 * one fault away does not shift the others. Same seed, same run, on every machine.
 */

function splitmix(state: number): number {
  let z = (state + 0x9e3779b9) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

export function hashText(text: string, start = 0x811c9dc5): number {
  let hash = start;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

export class Random {
  readonly #seed: number;
  readonly #s = new Uint32Array(4);

  constructor(seed: number) {
    this.#seed = seed >>> 0;
    let state = this.#seed ^ (Math.floor(seed / 0x1_0000_0000) | 0);
    for (let i = 0; i < 4; i += 1) {
      state = (state + 0x6d2b79f5) | 0;
      this.#s[i] = splitmix(state);
    }
  }

  /** An independent stream for one concern. */
  fork(name: string): Random {
    return new Random(hashText(name, splitmix(this.#seed)));
  }

  /** Where the stream is, to come back to. */
  save(): Uint32Array {
    return this.#s.slice();
  }

  restore(state: Uint32Array): void {
    this.#s.set(state);
  }

  /** 0 … 2³²−1. */
  next(): number {
    const s = this.#s;
    const s0 = s[0] ?? 0;
    const s1 = s[1] ?? 0;
    const s2 = s[2] ?? 0;
    const s3 = s[3] ?? 0;
    const five = Math.imul(s1, 5);
    const result = Math.imul((five << 7) | (five >>> 25), 9) >>> 0;
    const a = s2 ^ s0;
    const b = s3 ^ s1;
    s[1] = s1 ^ a;
    s[0] = s0 ^ b;
    s[2] = a ^ (s1 << 9);
    s[3] = (b << 11) | (b >>> 21);
    return result;
  }

  /** [0, 1). */
  float(): number {
    return this.next() / 0x1_0000_0000;
  }

  /** 0 … n−1. */
  below(n: number): number {
    return Math.floor(this.float() * n);
  }

  /** The same, as the virtual disk calls it. */
  int(n: number): number {
    return this.below(n);
  }

  /** [low, high). */
  between(low: number, high: number): number {
    return low + this.float() * (high - low);
  }

  chance(p: number): boolean {
    return this.float() < p;
  }

  /** Exponential with this mean: gaps between faults. */
  exponential(mean: number): number {
    return -Math.log(1 - this.float()) * mean;
  }

  /** Log-uniform in [low, high]: rates, so that small and large ones are equally likely. */
  logBetween(low: number, high: number): number {
    return Math.exp(this.between(Math.log(low), Math.log(high)));
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error("pick from an empty list");
    return item;
  }

  shuffle<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i -= 1) {
      const j = this.below(i + 1);
      const x = out[i] as T;
      out[i] = out[j] as T;
      out[j] = x;
    }
    return out;
  }
}
