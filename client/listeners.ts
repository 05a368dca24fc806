/** Users' functions that are told of something. One that throws stops neither us nor the others: its error is reported as uncaught. */
export class Listeners<Told extends readonly unknown[]> {
  readonly #all = new Set<(...told: Told) => void>();

  /** Returns what removes it. */
  add(listener: (...told: Told) => void): () => void {
    this.#all.add(listener);
    return () => {
      this.#all.delete(listener);
    };
  }

  /** Those added meanwhile are not told. */
  tell(...told: Told): void {
    for (const listener of [...this.#all]) guarded(() => listener(...told));
  }

  clear(): void {
    this.#all.clear();
  }
}

/** Runs a user's function; what it throws is reported as uncaught. */
export function guarded(run: () => void): void {
  try {
    run();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
