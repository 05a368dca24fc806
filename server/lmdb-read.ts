/**
 * Reads of an LMDB environment, copied out of it. What LMDB says of a damaged page becomes DamagedStoreError. Shared by the
 * store of a server (`lmdb.ts`) and the check of one (`store-check.ts`).
 */
import type { Transaction } from "lmdb";
import { asDamage } from "./lmdb-damage.ts";
import { type Environment, openEnvironment } from "./lmdb-environment.ts";

export type Pair = readonly [key: Uint8Array, value: Uint8Array];

/** lmdb-js tells the size of the last value beside the value; its types do not know. */
export interface ReadEnvironment extends Environment {
  readonly lastSize: number;
  getBinaryFast(key: Uint8Array, options?: { readonly transaction?: Transaction }): Buffer | undefined;
}

/** Throws DamagedStoreError when LMDB refuses it. */
export function openForReading(directory: string, readOnly: boolean): ReadEnvironment {
  try {
    return openEnvironment(directory, readOnly) as ReadEnvironment;
  } catch (error) {
    throw asDamage(error);
  }
}

export function readValue(
  environment: ReadEnvironment,
  key: Uint8Array,
  transaction: Transaction | undefined,
): Uint8Array | undefined {
  try {
    const bytes = transaction === undefined ? environment.getBinaryFast(key) : environment.getBinaryFast(key, { transaction });
    return bytes === undefined ? undefined : new Uint8Array(bytes.buffer, bytes.byteOffset, environment.lastSize);
  } catch (error) {
    throw asDamage(error);
  }
}

export function readRange(
  environment: ReadEnvironment,
  start: Uint8Array,
  end: Uint8Array,
  limit: number,
  transaction: Transaction | undefined,
): Pair[] {
  const pairs: Pair[] = [];
  const options = transaction === undefined ? { start, end, limit } : { start, end, limit, transaction };
  try {
    for (const { key, value } of environment.getRange(options)) pairs.push([key, value]);
  } catch (error) {
    throw asDamage(error);
  }
  return pairs;
}

export function readKeys(
  environment: ReadEnvironment,
  start: Uint8Array,
  end: Uint8Array,
  limit: number,
  transaction: Transaction | undefined,
): Uint8Array[] {
  const keys: Uint8Array[] = [];
  const options = transaction === undefined ? { start, end, limit } : { start, end, limit, transaction };
  try {
    for (const key of environment.getKeys(options)) keys.push(key);
  } catch (error) {
    throw asDamage(error);
  }
  return keys;
}
