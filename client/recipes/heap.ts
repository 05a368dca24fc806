/** A binary heap: the least first. Used by `work-queue.ts`. */
export class Heap<T> {
  readonly #items: T[] = [];
  readonly #before: (a: T, b: T) => boolean;

  /** `before`: whether `a` comes before `b`. */
  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  push(item: T): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#swapUnlessOrdered(parent, at)) return;
      at = parent;
    }
  }

  /** Removes and returns the least. */
  pop(): T | undefined {
    const items = this.#items;
    const least = items[0];
    const last = items.pop();
    if (items.length === 0 || last === undefined) return least;
    items[0] = last;
    this.#sink();
    return least;
  }

  #sink(): void {
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      if (left >= this.#items.length) return;
      const right = left + 1;
      const child = right < this.#items.length && this.#isBefore(right, left) ? right : left;
      if (!this.#swapUnlessOrdered(at, child)) return;
      at = child;
    }
  }

  #swapUnlessOrdered(parent: number, child: number): boolean {
    if (!this.#isBefore(child, parent)) return false;
    const items = this.#items;
    const [a, b] = [items[parent], items[child]];
    if (a !== undefined && b !== undefined) [items[parent], items[child]] = [b, a];
    return true;
  }

  #isBefore(i: number, j: number): boolean {
    const [a, b] = [this.#items[i], this.#items[j]];
    return a !== undefined && b !== undefined && this.#before(a, b);
  }
}
