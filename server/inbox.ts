/**
 * What has happened since the last turn. Drivers push; the loop takes the whole array at the start of
 * a turn, so nothing joins a turn afterwards. Bounded by the drivers: they stop reading their sockets.
 */
import type { Event } from "../src/replica/event.ts";

export class Inbox {
  #events: Event[] = [];
  #wake: () => void = () => {};

  /** Who to call when something arrives; the loop sets it once. */
  onArrival(wake: () => void): void {
    this.#wake = wake;
  }

  push(event: Event): void {
    this.#events.push(event);
    this.#wake();
  }

  get size(): number {
    return this.#events.length;
  }

  take(): readonly Event[] {
    const taken = this.#events;
    this.#events = [];
    return taken;
  }
}
