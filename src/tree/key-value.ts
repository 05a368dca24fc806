/**
 * The driver below the write-behind store: an ordered map of bytes on disk (LMDB in a server, a
 * virtual one in the simulator). Reads are synchronous and see the last *committed* transaction.
 * Completions come back as `storeCommitted` and `storeSynced` events with the token.
 */
export interface KeyValueView {
  get(key: Uint8Array): Uint8Array | undefined;
  /** Pairs with start ≤ key < end in byte order, at most `limit`. */
  range(start: Uint8Array, end: Uint8Array, limit: number): (readonly [key: Uint8Array, value: Uint8Array])[];
}

/** A point-in-time read transaction. */
export interface KeyValueImage extends KeyValueView {
  release(): void;
}

export interface KeyValueWrite {
  readonly key: Uint8Array;
  /** undefined removes. */
  readonly value: Uint8Array | undefined;
}

export interface KeyValue extends KeyValueView {
  image(): KeyValueImage;
  /**
   * One atomic transaction, performed off the loop. `storeCommitted{token}`: visible to reads.
   * `storeSynced{token}`: it survives a power cut (and so does every earlier one). A failure is
   * fatal: the driver reports `storeFailed` and the process ends.
   */
  commit(writes: readonly KeyValueWrite[], token: number): void;
  /**
   * Damage was met in it: remembers the reason for good, so that every later opening throws DamagedStoreError. Done when it returns,
   * as well as a broken disk allows; the process ends.
   */
  condemn(reason: string): void;
  /** Ends the use of the environment, for a store that was replaced by a snapshot. */
  close(): void;
}
