/**
 * How many requests of all connections the core has at once. A turn of the loop takes all that has come, and a leader's also what the
 * others forward; so without a bound over all of them a few dozen clients that send without waiting would make turns of half a second, heartbeats
 * would leave as late, and servers would take each other for dead. Who finds no room waits with its socket unread, in the order of coming.
 *
 * A connection with few requests outstanding never waits: those that flood delay each other alone.
 */
import { assert } from "../src/model/assert.ts";

/** Some 40 ms of a server's work. */
export const requestsInsideMax = 2_048;
/** A connection may have so many whatever the others do. */
export const shareMin = 8;

export interface Guest {
  /** There is room for some of what it holds back. */
  enter(): void;
}

export class RequestRoom {
  #inside = 0;
  readonly #waiting = new Set<Guest>();

  /** Of a connection with `own` requests inside. */
  hasRoom(own: number): boolean {
    return own < shareMin || this.#inside < requestsInsideMax;
  }

  entered(): void {
    this.#inside += 1;
  }

  left(count: number): void {
    this.#inside -= count;
    assert(this.#inside >= 0, "no request is answered that has not come");
  }

  /** It is told when there is room, once. */
  wait(guest: Guest): void {
    this.#waiting.add(guest);
  }

  forget(guest: Guest): void {
    this.#waiting.delete(guest);
  }

  /** In batches, once half is free: a pause and a resume for each answer would cost more than the request. */
  admit(): void {
    if (this.#waiting.size === 0 || this.#inside > requestsInsideMax >> 1) return;
    for (const guest of this.#waiting) {
      if (this.#inside >= requestsInsideMax) return;
      this.#waiting.delete(guest);
      guest.enter();
    }
  }
}
