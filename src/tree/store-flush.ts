/**
 * One flush: frozen generations become the writes of one KeyValue transaction. A call makes a
 * bounded number of them, because tens of thousands at once would stall the loop for longer than a lease
 * can bear, and hands them to the driver at once if it takes parts. Of a value that several
 * generations hold the newest is written.
 */
import { assert } from "../model/assert.ts";
import type { Zxid } from "../model/zxid.ts";
import type { KeyValue, KeyValueWrite } from "./key-value.ts";
import { type Generation, removed } from "./store-generation.ts";
import { appliedKey, nodeKey, recordKey } from "./store-keys.ts";
import { appliedValue } from "./znode-codec.ts";

/** A driver may take a transaction in parts, so that its writes need not all be held at once. */
export interface PartwiseKeyValue extends KeyValue {
  /** Writes that belong to the next commit and come before those given to it. */
  prepare?(writes: readonly KeyValueWrite[]): void;
}

/** Values and bytes of one call: about a millisecond. */
const stepValues = 2_000;
const stepBytes = 1 << 20;

export class Flush {
  readonly #generations: readonly Generation[];
  #writes: KeyValueWrite[] = [];
  #index = 0;
  #nodes: IterableIterator<[string, number]> | undefined;
  #records: IterableIterator<[string, number]> | undefined;
  #stepBytes = 0;
  /** The store's appliedZxid when the generations were frozen. */
  readonly zxid: Zxid;
  /** Set when the commit is submitted. */
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

  /** Submits some more to the driver; true when the commit itself was submitted, with `token`. */
  step(kv: PartwiseKeyValue, token: number): boolean {
    assert(this.token === undefined, "a flush is submitted once");
    if (!this.#gather()) {
      if (kv.prepare !== undefined) kv.prepare(this.#takeWrites());
      return false;
    }
    this.token = token;
    kv.commit(this.#takeWrites(), token);
    return true;
  }

  /** True when all is gathered. */
  #gather(): boolean {
    const most = this.#writes.length + stepValues;
    this.#stepBytes = 0;
    while (this.#writes.length < most && this.#stepBytes < stepBytes) {
      if (this.#stepNode() || this.#stepRecord()) continue;
      if (!this.#nextGeneration()) return this.#finish();
    }
    return false;
  }

  #takeWrites(): readonly KeyValueWrite[] {
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
    const [path, address] = next.value;
    for (let i = 0; i < this.#index - 1; i += 1)
      if ((this.#generations[i] as Generation).findNode(path) !== undefined) return true;
    this.#write(nodeKey(path), address);
    return true;
  }

  #stepRecord(): boolean {
    const next = this.#records?.next();
    if (next === undefined || next.done === true) return false;
    const [name, address] = next.value;
    for (let i = 0; i < this.#index - 1; i += 1)
      if ((this.#generations[i] as Generation).findRecord(name) !== undefined) return true;
    this.#write(recordKey(name), address);
    return true;
  }

  #write(key: Uint8Array, address: number): void {
    const value = address === removed ? undefined : (this.#generations[this.#index - 1] as Generation).sealedAt(key, address);
    this.#writes.push({ key, value });
    this.#stepBytes += key.length + (value === undefined ? 0 : value.length);
  }

  #finish(): boolean {
    this.#writes.push({ key: appliedKey, value: appliedValue(this.zxid) });
    return true;
  }
}
