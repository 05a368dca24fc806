/** The numbers that this process gives to writes without one of the client's, and the connections that wait for them. */
import type { TxnSource } from "../model/request.ts";
import type { ServerId, SessionId } from "../model/zxid.ts";
import type { Connection } from "./connection.ts";

type Origin = Extract<TxnSource, { readonly type: "origin" }>;

export class OriginCounters {
  readonly #server: ServerId;
  readonly #boot: number;
  #last = 0;
  readonly #connections = new Map<number, Connection>();

  constructor(server: ServerId, boot: number) {
    this.#server = server;
    this.#boot = boot;
  }

  source(session: SessionId | 0, counter: number): Origin {
    return { type: "origin", session, server: this.#server, boot: this.#boot, counter };
  }

  isOurs(source: Origin): boolean {
    return source.server === this.#server && source.boot === this.#boot;
  }

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
