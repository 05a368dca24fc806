/** Latencies in buckets of about 2 %, for percentiles without keeping every value. */
export class Histogram {
  readonly #buckets = new Uint32Array(2_048);
  count = 0;

  add(ms: number): void {
    const bucket = Math.min(2_047, Math.max(0, Math.floor(Math.log(ms * 1_000 + 1) / Math.log(1.02))));
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.count += 1;
  }

  /** The latency, ms, that `part` (0 … 1) of the values do not exceed. */
  percentile(part: number): number {
    let left = this.count * part;
    for (let bucket = 0; bucket < this.#buckets.length; bucket += 1) {
      left -= this.#buckets[bucket] ?? 0;
      if (left <= 0) return (1.02 ** bucket - 1) / 1_000;
    }
    return 0;
  }
}
