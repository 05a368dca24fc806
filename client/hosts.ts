/**
 * Which server to try next, and when. Servers are taken in a shuffled order, one after the other, so
 * clients spread and a dead server costs one attempt a round. Waits grow exponentially with jitter from
 * the first failure on; only a connection that proved stable sets them back, so a server that accepts
 * and closes is no tight loop. Pure: randomness is passed in. Used by `connection.ts`.
 */
import { assert, must } from "../src/model/assert.ts";

export interface BackoffOptions {
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  readonly random: () => number;
}

export class HostRotation {
  readonly #order: number[];
  readonly #options: BackoffOptions;
  #at = -1;
  #failures = 0;

  constructor(count: number, options: BackoffOptions) {
    assert(count > 0, "a client needs a server");
    this.#options = options;
    this.#order = Array.from({ length: count }, (_, index) => index);
    shuffle(this.#order, options.random);
  }

  get count(): number {
    return this.#order.length;
  }

  next(): number {
    this.#at = (this.#at + 1) % this.#order.length;
    return must(this.#order[this.#at], "the rotation is never empty");
  }

  /** The connection worked: the next loss is a first one. */
  stable(): void {
    this.#failures = 0;
  }

  /** How long to wait before the next attempt, ms; at most `capMs`. */
  delay(capMs: number): number {
    const { backoffMinMs, backoffMaxMs, random } = this.#options;
    const grown = Math.min(backoffMinMs * 2 ** this.#failures, backoffMaxMs);
    // Under a cap attempts come often: they are not held against what comes after it.
    if (grown <= capMs) this.#failures = Math.min(this.#failures + 1, 30);
    return Math.min(grown, Math.max(capMs, backoffMinMs)) * (0.5 + random() / 2);
  }
}

function shuffle(order: number[], random: () => number): void {
  for (let i = order.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    const swapped = must(order[i], "index in range");
    order[i] = must(order[j], "index in range");
    order[j] = swapped;
  }
}

/** `ws://a:2180,ws://b` or a list of such, checked and without repeats. A bare `host:port` is taken as ws. */
export function parseHosts(hosts: string | readonly string[]): readonly string[] {
  const parts = typeof hosts === "string" ? hosts.split(",") : hosts;
  const urls = parts
    .map((part) => part.trim())
    .filter((part) => part.length > 0)
    .map(hostUrl);
  if (urls.length === 0) throw new TypeError("no server was named");
  return [...new Set(urls)];
}

function hostUrl(host: string): string {
  const url = new URL(host.includes("://") ? host : `ws://${host}`);
  if (url.protocol === "http:") url.protocol = "ws:";
  if (url.protocol === "https:") url.protocol = "wss:";
  if (url.protocol !== "ws:" && url.protocol !== "wss:") throw new TypeError(`not a WebSocket address: ${host}`);
  if (url.port === "" && !host.includes("://")) url.port = "2180";
  if (url.pathname === "/") url.pathname = "/v1";
  return url.href;
}
