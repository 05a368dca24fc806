/**
 * One flush: frozen generations become the writes of one KeyValue transaction. Encoding is done a
 * bounded number of values a call, because tens of thousands at once would stall the loop for
 * longer than a lease can bear. Of a value that several generations hold the newest is written.
 */
import { assert } from "../model/assert.ts";
import type { Zxid } from "../model/zxid.ts";
import type { KeyValueWrite } from "./key-value.ts";
import type { Znode } from "./store.ts";
import { type Generation, type Removed, removed } from "./store-generation.ts";
import { appliedKey, nodeKey, recordKey } from "./store-keys.ts";
import { ValueWriter } from "./znode-codec.ts";

/** Values and bytes encoded in one call: a millisecond or two. */
const stepValues = 2_000;
const stepBytes = 1 << 20;

export class Flush {
  readonly #generations: readonly Generation[];
  readonly #writer = new ValueWriter();
  #writes: KeyValueWrite[] = [];
  #index = 0;
  #nodes: IterableIterator<[string, Znode | Removed]> | undefined;
  #records: IterableIterator<[string, Uint8Array | Removed]> | undefined;
  #done = false;
  #stepBytes = 0;
  /** The store's appliedZxid when the generations were frozen. */
  readonly zxid: Zxid;
  /** Set when the writes are submitted. */
  token: number | undefined;
  committed = false;

  /** Newest first, all frozen. */
  constructor(generations: readonly Generation[], zxid: Zxid) {
    for (const generation of generations) {
      assert(generation.frozen && !generation.inFlight, "a flush takes frozen generations that no other has");
      generation.inFlight = true;
    }
    this.#generations = generations;
    this.zxid = zxid;
  }

  get generations(): readonly Generation[] {
    return this.#generations;
  }

  /** Encodes some more; true when all is encoded. */
  step(): boolean {
    if (this.#done) return true;
    const most = this.#writes.length + stepValues;
    this.#stepBytes = 0;
    while (this.#writes.length < most && this.#stepBytes < stepBytes) {
      if (this.#stepNode() || this.#stepRecord()) continue;
      if (!this.#nextGeneration()) return this.#finish();
    }
    return false;
  }

  /** The writes, which the flush then forgets. */
  takeWrites(): readonly KeyValueWrite[] {
    assert(this.#done, "a flush must be encoded before it is submitted");
    const writes = this.#writes;
    this.#writes = [];
    return writes;
  }

  #nextGeneration(): boolean {
    const generation = this.#generations[this.#index];
    if (generation === undefined) return false;
    this.#index += 1;
    this.#nodes = generation.nodes();
    this.#records = generation.records();
    return true;
  }

  #stepNode(): boolean {
    const next = this.#nodes?.next();
    if (next === undefined || next.done === true) return false;
    const [path, node] = next.value;
    for (let i = 0; i < this.#index - 1; i += 1) if ((this.#generations[i] as Generation).node(path) !== undefined) return true;
    const key = nodeKey(path);
    this.#write(key, node === removed ? undefined : this.#writer.znode(key, node));
    return true;
  }

  #stepRecord(): boolean {
    const next = this.#records?.next();
    if (next === undefined || next.done === true) return false;
    const [name, payload] = next.value;
    for (let i = 0; i < this.#index - 1; i += 1) if ((this.#generations[i] as Generation).record(name) !== undefined) return true;
    const key = recordKey(name);
    this.#write(key, payload === removed ? undefined : this.#writer.record(key, payload));
    return true;
  }

  #write(key: Uint8Array, value: Uint8Array | undefined): void {
    this.#writes.push({ key, value });
    this.#stepBytes += key.length + (value === undefined ? 0 : value.length);
  }

  #finish(): boolean {
    this.#write(appliedKey, this.#writer.applied(appliedKey, this.zxid));
    this.#done = true;
    return true;
  }
}
