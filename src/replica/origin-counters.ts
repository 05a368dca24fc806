/** The numbers that this process gives to writes without one of the client's, and the connections that wait for them. */
import type { Connection } from "./connection.ts";

export class OriginCounters {
  #last = 0;
  readonly #connections = new Map<number, Connection>();

  next(connection: Connection): number {
    this.#last += 1;
    this.#connections.set(this.#last, connection);
    return this.#last;
  }

  connection(counter: number): Connection | undefined {
    return this.#connections.get(counter);
  }

  answered(counter: number): void {
    this.#connections.delete(counter);
  }

  /** The connection has gone: nobody waits for its writes. */
  forget(connection: Connection): void {
    if (connection.connecting !== undefined) this.answered(connection.connecting.counter);
    for (const slot of connection.undecided()) if (slot.forward.write.source.type === "origin") this.answered(slot.number);
  }
}
