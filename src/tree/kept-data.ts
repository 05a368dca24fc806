/**
 * Keeps a znode's data past the frame or batch that it came in. Small data is put side by side into slabs, for
 * an array of its own costs an allocation outside the heap, several times what the copy does. A node that is kept
 * keeps its slab: at worst `slabBytes` for each node of the cache, which is bounded by count.
 */

const slabBytes = 4_096;
const smallMax = 512;

let slab = new ArrayBuffer(slabBytes);
let used = 0;

/** The data itself where it is most of its buffer, else a copy. */
export function keptData(data: Uint8Array | undefined): Uint8Array | undefined {
  if (data === undefined || data.byteLength * 2 >= data.buffer.byteLength) return data;
  return copiedData(data);
}

/** For data in a buffer that its owner writes to again. */
export function copiedData(data: Uint8Array): Uint8Array {
  if (data.length > smallMax) return data.slice();
  if (used + data.length > slabBytes) {
    slab = new ArrayBuffer(slabBytes);
    used = 0;
  }
  const copy = new Uint8Array(slab, used, data.length);
  copy.set(data);
  used += data.length;
  return copy;
}
