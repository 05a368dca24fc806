/** Batches that a test can recompute: what batch n writes, and what a store holds after it. */
import type { KeyValueWrite } from "../../src/tree/key-value.ts";
import { Random } from "../sim/random.ts";

const keys = 6_000;
const writesMax = 3_000;

/** Every batch writes its number under this key. */
export const numberKey = "number";

export function batchWrites(number: number): KeyValueWrite[] {
  const random = new Random(number);
  const writes = new Map<string, Uint8Array | undefined>();
  for (let count = random.below(writesMax); count > 0; count -= 1) {
    const key = `k${random.below(keys)}`;
    const length = random.chance(0.001) ? 50_000 : 1 + random.below(200);
    writes.set(key, random.chance(0.2) ? undefined : new Uint8Array(length).fill(number % 251));
  }
  writes.set(numberKey, bytesOf(String(number)));
  return [...writes].map(([key, value]) => ({ key: bytesOf(key), value }));
}

/** Applies batches `after` + 1 … `number` to the content after batch `after`. */
export function applyBatches(content: Map<string, Uint8Array>, after: number, number: number): void {
  for (let i = after + 1; i <= number; i += 1) {
    for (const { key, value } of batchWrites(i)) {
      if (value === undefined) content.delete(textOf(key));
      else content.set(textOf(key), value);
    }
  }
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}
