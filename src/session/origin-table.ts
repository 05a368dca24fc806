/**
 * Exactly-once for writes without clientSeq (ZooKeeper port, session creation): per server the boot
 * id and the highest counter of its writes, replicated, and at the leader seen through what is
 * proposed. A server that was started anew has another boot id, which replaces the old one. Bounded
 * by the number of server ids.
 */
import { ByteReader, ByteWriter } from "../model/bytes.ts";
import { LaneHash, LaneSum } from "../model/lane-hash.ts";
import type { ServerId } from "../model/zxid.ts";
import type { RecordStore } from "./session-table.ts";

interface Origin {
  readonly server: ServerId;
  boot: number;
  counter: number;
}

const recordPrefix = "origin/";
const originSeed = 0x6f726967;

export class OriginTable {
  readonly #store: RecordStore;
  readonly #origins = new Map<ServerId, Origin>();
  readonly #proposed = new Map<ServerId, Origin>();
  readonly #dirty = new Set<Origin>();
  readonly #hash = new LaneHash();
  readonly digest = new LaneSum();

  constructor(store: RecordStore) {
    this.#store = store;
    for (const [, value] of store.records(recordPrefix)) {
      const reader = new ByteReader(value);
      const origin = { server: reader.varint(), boot: reader.f64(), counter: reader.varint() };
      this.#origins.set(origin.server, origin);
      this.#addTerm(this.digest, origin);
    }
  }

  /** True when this write was proposed or applied already. */
  isRepeated(server: ServerId, boot: number, counter: number): boolean {
    const origin = this.#proposed.get(server) ?? this.#origins.get(server);
    return origin !== undefined && origin.boot === boot && counter <= origin.counter;
  }

  /** The highest applied counter of this server's boot; 0 when there is none. */
  highest(server: ServerId, boot: number): number {
    const origin = this.#origins.get(server);
    return origin !== undefined && origin.boot === boot ? origin.counter : 0;
  }

  propose(server: ServerId, boot: number, counter: number): void {
    this.#note(this.#proposed, server, boot, counter);
  }

  resetOutstanding(): void {
    this.#proposed.clear();
  }

  apply(server: ServerId, boot: number, counter: number): void {
    const before = this.#origins.get(server);
    if (before !== undefined) this.#subtractTerm(before);
    const origin = this.#note(this.#origins, server, boot, counter);
    this.#addTerm(this.digest, origin);
    this.#dirty.add(origin);
    const proposed = this.#proposed.get(server);
    if (proposed !== undefined && proposed.boot === boot && proposed.counter <= counter) this.#proposed.delete(server);
  }

  writeRecords(): void {
    for (const origin of this.#dirty) {
      const writer = new ByteWriter();
      writer.varint(origin.server);
      writer.f64(origin.boot);
      writer.varint(origin.counter);
      this.#store.putRecord(recordPrefix + origin.server.toString(16).padStart(4, "0"), writer.take());
    }
    this.#dirty.clear();
  }

  recomputeDigest(sum: LaneSum): void {
    for (const origin of this.#origins.values()) this.#addTerm(sum, origin);
  }

  #note(origins: Map<ServerId, Origin>, server: ServerId, boot: number, counter: number): Origin {
    let origin = origins.get(server);
    if (origin === undefined) {
      origin = { server, boot, counter };
      origins.set(server, origin);
    }
    origin.boot = boot;
    origin.counter = counter;
    return origin;
  }

  #addTerm(sum: LaneSum, origin: Origin): void {
    this.#hashTerm(origin);
    sum.add(this.#hash.high, this.#hash.low);
  }

  #subtractTerm(origin: Origin): void {
    this.#hashTerm(origin);
    this.digest.subtract(this.#hash.high, this.#hash.low);
  }

  #hashTerm(origin: Origin): void {
    const hash = this.#hash;
    hash.start(originSeed);
    hash.number(origin.server);
    hash.number(origin.boot);
    hash.number(origin.counter);
    hash.finish();
  }
}
