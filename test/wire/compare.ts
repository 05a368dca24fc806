/** Comparing values that hold bytes, whatever class the bytes are. */

/** A value with bytes as hex and without undefined or null members. */
export function normal(value: unknown): unknown {
  if (value instanceof Uint8Array) return `hex:${Buffer.from(value).toString("hex")}`;
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, member]) => member !== undefined && member !== null);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, member]) => [key, normal(member)]));
}

export function sameValue(a: unknown, b: unknown): boolean {
  return JSON.stringify(normal(a)) === JSON.stringify(normal(b));
}

/** Throws with both values when they differ, so that fast-check shows the smallest such pair. */
export function expectSame(found: unknown, wanted: unknown): void {
  if (sameValue(found, wanted)) return;
  throw new Error(`found  ${JSON.stringify(normal(found))}\nwanted ${JSON.stringify(normal(wanted))}`);
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
}
