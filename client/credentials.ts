/** What a client has authenticated with: sent again on every connection. Owned by `connection.ts`. */
import type { WireAddAuth } from "../src/wire/client-codec.ts";

const max = 32;

export class Credentials {
  readonly #all: WireAddAuth[] = [];

  get all(): readonly WireAddAuth[] {
    return this.#all;
  }

  /** Remembers what a server has accepted; beyond a bound they hold for the connection alone. */
  remember(auth: WireAddAuth): void {
    const known = this.#all.some((other) => other.scheme === auth.scheme && sameBytes(other.credentials, auth.credentials));
    if (!known && this.#all.length < max) this.#all.push(auth);
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
