/**
 * What happened, twice: a running 32-bit hash of every event (same seed, same hash), and, when asked
 * for, one aligned line an event. `on` guards the building of text, so a quiet run pays nothing.
 */
import type { Scheduler } from "./scheduler.ts";

export class Trace {
  readonly on: boolean;
  readonly #scheduler: Scheduler;
  readonly #write: (line: string) => void;
  #hash = 0x811c9dc5;

  constructor(scheduler: Scheduler, write?: (line: string) => void) {
    this.#scheduler = scheduler;
    this.on = write !== undefined;
    this.#write = write ?? (() => undefined);
  }

  get hash(): number {
    return this.#hash >>> 0;
  }

  mix(a: number, b: number, c: number): void {
    let h = this.#hash;
    h = Math.imul(h ^ Math.floor(this.#scheduler.now * 1000), 0x01000193);
    h = Math.imul(h ^ a, 0x01000193);
    h = Math.imul(h ^ b, 0x01000193);
    h = Math.imul(h ^ c, 0x01000193);
    this.#hash = h ^ (h >>> 15);
  }

  line(who: string, what: string, text: string): void {
    const time = this.#scheduler.now.toFixed(3).padStart(11);
    this.#write(`${time}  ${who.padEnd(5)} ${what.padEnd(14)} ${text}`);
  }
}

/** A message in a few words: its type and its plain fields. */
export function describe(message: object): string {
  const parts: string[] = [];
  for (const [key, value] of Object.entries(message)) parts.push(describeField(key, value));
  return parts.filter((part) => part !== "").join(" ");
}

function describeField(key: string, value: unknown): string {
  if (key === "type") return String(value);
  if (typeof value === "number") return `${key}=${looksLikeZxid(value) ? shortZxid(value) : value}`;
  if (typeof value === "string" || typeof value === "boolean") return `${key}=${value}`;
  if (value instanceof Uint8Array) return `${key}[${value.length}]`;
  if (Array.isArray(value)) return describeList(key, value);
  if (typeof value === "object" && value !== null) return `${key}{${describe(value)}}`;
  return "";
}

function describeList(key: string, value: readonly unknown[]): string {
  if (value.length === 0) return `${key}[]`;
  if (key === "entries") return `${key}[${value.map((e) => shortZxid((e as { zxid?: number }).zxid ?? 0)).join(" ")}]`;
  const shown = value
    .slice(0, 4)
    .map((item) =>
      typeof item === "object" && item !== null
        ? `{${describe(item)}}`
        : looksLikeZxid(item)
          ? shortZxid(item as number)
          : String(item),
    );
  return `${key}[${shown.join(" ")}${value.length > 4 ? " …" : ""}]`;
}

function looksLikeZxid(value: unknown): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= 0x1_0000_0000;
}

export function shortZxid(value: number): string {
  return `${Math.floor(value / 0x1_0000_0000)}:${value % 0x1_0000_0000}`;
}
