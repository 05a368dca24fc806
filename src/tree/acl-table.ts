/**
 * The replicated table of distinct ACLs. A znode holds an id; few ACLs serve many nodes. Ids are
 * given in the order of the txns that first use an ACL, start at 1 and are never reused; the txn
 * carries the new ACL, so replicas agree. The leader gives ids of ACLs that are proposed and not yet
 * applied through the overlay part of this table.
 */
import type { Acl, AclEntry } from "../model/acl.ts";
import { openAcl, readOnlyAcl } from "../model/acl.ts";
import { assert, must } from "../model/assert.ts";
import { ByteReader, ByteWriter } from "../model/bytes.ts";
import { LaneHash, type LaneSum } from "../model/lane-hash.ts";
import type { Store } from "./store.ts";
import type { AclRef } from "./txn.ts";

export const openAclId = 1;
export const readOnlyAclId = 2;

const recordPrefix = "acl/";
const aclSeed = 0x61636c73;

interface ProposedAcl {
  readonly key: string;
  readonly acl: Acl;
}

export class AclTable {
  readonly #store: Store;
  readonly #digest: LaneSum;
  readonly #hash = new LaneHash();
  /** Index is id − 1. */
  readonly #acls: Acl[] = [];
  readonly #ids = new Map<string, number>();
  /** ACLs that are proposed and not applied, in the order of their ids, which follow those of #acls. */
  readonly #proposed: ProposedAcl[] = [];
  readonly #proposedIds = new Map<string, number>();

  constructor(store: Store, digest: LaneSum) {
    this.#store = store;
    this.#digest = digest;
    for (const [, value] of store.records(recordPrefix)) this.#remember(decodeAcl(value));
    if (this.#acls.length === 0) {
      this.add(openAclId, openAcl);
      this.add(readOnlyAclId, readOnlyAcl);
    }
  }

  get size(): number {
    return this.#acls.length;
  }

  /** Distinct ACLs, the proposed ones included. */
  get proposedSize(): number {
    return this.#acls.length + this.#proposed.length;
  }

  get(id: number): Acl {
    return must(this.#acls[id - 1], "a node's ACL is not in the table");
  }

  /** Also finds a proposed ACL. */
  getProposed(id: number): Acl {
    return (
      this.#acls[id - 1] ?? must(this.#proposed[id - 1 - this.#acls.length]?.acl, "an outstanding node's ACL is not proposed")
    );
  }

  /** At apply: a txn brought a new ACL. */
  add(id: number, acl: Acl): void {
    assert(id === this.#acls.length + 1, "ACL ids must follow each other");
    this.#store.putRecord(recordPrefix + id.toString(16).padStart(8, "0"), encodeAcl(acl));
    this.#remember(acl);
    const proposed = this.#proposed.shift();
    if (proposed === undefined) return;
    assert(proposed.key === keyOf(acl), "ACLs were applied in another order than proposed");
    this.#proposedIds.delete(proposed.key);
  }

  /** The id of `acl`, applied or proposed; undefined when it is in neither. */
  find(key: string): number | undefined {
    return this.#ids.get(key) ?? this.#proposedIds.get(key);
  }

  /** At prepare: gives `acl` the next id. */
  propose(key: string, acl: Acl): AclRef {
    const id = this.proposedSize + 1;
    this.#proposed.push({ key, acl });
    this.#proposedIds.set(key, id);
    return { id, added: acl };
  }

  /** Takes back the proposals after the first `size` ACLs. */
  rollback(size: number): void {
    while (this.proposedSize > size) {
      const proposed = must(this.#proposed.pop(), "an applied ACL cannot be rolled back");
      this.#proposedIds.delete(proposed.key);
    }
  }

  resetProposed(): void {
    this.#proposed.length = 0;
    this.#proposedIds.clear();
  }

  /** The table's term of the digest, computed anew. */
  recompute(sum: LaneSum): void {
    for (const [index, acl] of this.#acls.entries()) this.#addTerm(sum, index + 1, acl);
  }

  #remember(acl: Acl): void {
    this.#acls.push(acl);
    this.#ids.set(keyOf(acl), this.#acls.length);
    this.#addTerm(this.#digest, this.#acls.length, acl);
  }

  #addTerm(sum: LaneSum, id: number, acl: Acl): void {
    this.#hash.start(aclSeed);
    this.#hash.word(id);
    this.#hash.text(keyOf(acl));
    this.#hash.finish();
    sum.add(this.#hash.high, this.#hash.low);
  }
}

/** Equal for equal ACLs only: each text stands after its length. */
export function keyOf(acl: Acl): string {
  let key = "";
  for (const entry of acl) key += `${entry.perms},${entry.scheme.length},${entry.scheme},${entry.id.length},${entry.id};`;
  return key;
}

function encodeAcl(acl: Acl): Uint8Array {
  const writer = new ByteWriter();
  for (const entry of acl) {
    writer.u8(entry.perms);
    writer.text(entry.scheme);
    writer.text(entry.id);
  }
  return writer.take();
}

function decodeAcl(bytes: Uint8Array): Acl {
  const reader = new ByteReader(bytes);
  const entries: AclEntry[] = [];
  while (reader.remaining > 0) entries.push({ perms: reader.u8(), scheme: reader.text(), id: reader.text() });
  return entries;
}
