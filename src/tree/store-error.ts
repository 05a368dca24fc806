/** Damage met in the tree store: the one error of this folder and of the drivers below it, so that a server can tell it from a bug of its own. */
import { InvariantError } from "../model/assert.ts";
import { describeKey } from "./store-keys.ts";

/**
 * A stored value failed its checksum, or the driver found that its file is not what it wrote. The server stops (exit 70); nothing was
 * answered from the value. The store is condemned: the next start does without it.
 */
export class DamagedStoreError extends InvariantError {}

export function damagedValue(key: Uint8Array): DamagedStoreError {
  return new DamagedStoreError(damageText(key));
}

export function damageText(key: Uint8Array): string {
  return `the tree store is damaged: ${describeKey(key)} fails its checksum`;
}
