/** Damage met in the tree store: the one error of this folder, so that a server can tell it from a bug of its own. */
import { InvariantError } from "../model/assert.ts";
import { describeKey } from "./store-keys.ts";

/** A stored value failed its checksum. The server stops (exit 70); nothing was answered from the value. */
export class DamagedStoreError extends InvariantError {
  readonly key: Uint8Array;

  constructor(key: Uint8Array) {
    super(damageText(key));
    this.key = key;
  }
}

export function damageText(key: Uint8Array): string {
  return `the tree store is damaged: ${describeKey(key)} fails its checksum`;
}
