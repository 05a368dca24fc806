/**
 * The KeyValue of a server whose tree store was lost while its log was not: empty, never written, and replaced by that of a received
 * snapshot. What was lost stays on the disk until then, so that every start in between finds the loss again. Made by storage.ts.
 */
import { InvariantError } from "../model/assert.ts";
import type { KeyValue, KeyValueImage } from "./key-value.ts";

export class AbsentKeyValue implements KeyValue {
  get(): undefined {
    return undefined;
  }

  range(): [] {
    return [];
  }

  image(): KeyValueImage {
    return { get: this.get, range: this.range, release: () => {} };
  }

  commit(): void {
    throw new InvariantError("an absent store is never written");
  }

  /** It is lost already. */
  condemn(): void {}

  close(): void {}
}
