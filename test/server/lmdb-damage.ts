/** The store that lmdb-damage.test.ts damages, and its damages by number: bits and cuts spread over the whole file. */
export const nodes = 400;

export function pathOf(index: number): string {
  return `/a/n${String(index).padStart(5, "0")}`;
}

export function dataOf(index: number): Uint8Array {
  return new Uint8Array(1 + (index % 150)).fill(index % 251);
}

export type Damage =
  | { readonly type: "flip"; readonly at: number; readonly bit: number }
  | { readonly type: "cut"; readonly at: number };

/** Every tenth is a cut; flips favour the first bytes of pages, where LMDB keeps what it follows. */
export function damageOf(number: number, bytes: number): Damage {
  const spread = Math.imul(number + 1, 0x9e37_79b1) >>> 0;
  const at = spread % bytes;
  if (number % 10 === 9) return { type: "cut", at };
  const inHead = number % 3 === 0 ? at - (at % 8_192) + (spread % 64) : at;
  return { type: "flip", at: Math.min(inHead, bytes - 1), bit: (spread >>> 8) & 7 };
}
