/**
 * Virtual true time and what happens when: a binary heap on (time, sequence number). Equal times run
 * in the order they were scheduled. Only the simulator and its checkers see this clock.
 */

interface Item {
  readonly time: number;
  readonly seq: number;
  readonly run: () => void;
}

/** Far above any run: a server that never comes to rest must end as a failure, not hang its test. */
const eventsMax = 3_000_000;

export class Scheduler {
  /** True time, ms. Never falls. */
  now = 0;
  events = 0;
  /** Called after each event, for explorations that must know of every state between two. */
  onEvent: (() => void) | undefined;
  #heap: Item[] = [];
  #seq = 0;

  get pending(): number {
    return this.#heap.length;
  }

  at(time: number, run: () => void): void {
    this.#seq += 1;
    const item: Item = { time: time > this.now ? time : this.now, seq: this.#seq, run };
    const heap = this.#heap;
    let i = heap.length;
    heap.push(item);
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up] as Item;
      if (!before(item, parent)) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = item;
  }

  after(delay: number, run: () => void): void {
    this.at(this.now + delay, run);
  }

  /** Runs everything up to `time`; `stop` is asked after each event. */
  runUntil(time: number, stop?: () => boolean): void {
    while (true) {
      const next = this.#heap[0];
      if (next === undefined || next.time > time) break;
      this.#pop();
      this.now = next.time;
      this.events += 1;
      if (this.events > eventsMax) throw new Error(`a run without an end: ${eventsMax} events`);
      next.run();
      this.onEvent?.();
      if (stop?.()) return;
    }
    if (time > this.now) this.now = time;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    const size = heap.length;
    if (last === undefined || size === 0) return;
    let i = 0;
    while (true) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && before(heap[child + 1] as Item, heap[child] as Item)) child += 1;
      const small = heap[child] as Item;
      if (!before(small, last)) break;
      heap[i] = small;
      i = child;
    }
    heap[i] = last;
  }
}

function before(a: Item, b: Item): boolean {
  return a.time < b.time || (a.time === b.time && a.seq < b.seq);
}
