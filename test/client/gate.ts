/** A client's way to real servers, with a gate in it, and a clock that can be moved. */
import type { MonotonicClock } from "../../client/clock.ts";
import { defaultDial } from "../../client/default-dial.ts";
import type { Dial, Transport, TransportHandlers } from "../../client/transport.ts";

export class Gate {
  readonly #dial: Dial;
  readonly #open = new Set<GatedTransport>();
  #shut = false;

  private constructor(dial: Dial) {
    this.#dial = dial;
  }

  static async make(): Promise<Gate> {
    return new Gate(await defaultDial());
  }

  readonly dial: Dial = (url, handlers) => {
    if (this.#shut) {
      setTimeout(() => handlers.closed("the gate is shut"), 1);
      return { send: () => {}, close: () => {} };
    }
    return new GatedTransport(this.#dial, url, handlers, this.#open);
  };

  /** Breaks all connections and lets none through. */
  shut(): void {
    this.#shut = true;
    this.break();
  }

  break(): void {
    for (const transport of [...this.#open]) transport.break();
  }

  /** What is sent vanishes; what the server sends too. The connection seems open. */
  swallow(): void {
    for (const transport of this.#open) transport.swallowing = true;
  }

  open(): void {
    this.#shut = false;
  }
}

class GatedTransport implements Transport {
  readonly #inner: Transport;
  readonly #handlers: TransportHandlers;
  readonly #all: Set<GatedTransport>;
  swallowing = false;

  constructor(dial: Dial, url: string, handlers: TransportHandlers, all: Set<GatedTransport>) {
    this.#handlers = handlers;
    this.#all = all;
    all.add(this);
    this.#inner = dial(url, {
      opened: () => handlers.opened(),
      messages: (messages) => {
        if (!this.swallowing) handlers.messages(messages);
      },
      closed: (reason) => {
        if (all.delete(this)) handlers.closed(reason);
      },
    });
  }

  send(messages: Parameters<Transport["send"]>[0]): void {
    if (!this.swallowing) this.#inner.send(messages);
  }

  close(): void {
    this.#all.delete(this);
    this.#inner.close();
  }

  break(): void {
    this.close();
    this.#handlers.closed("broken");
  }
}

export class MovableClock implements MonotonicClock {
  aheadMs = 0;

  nowMs(): number {
    return performance.now() + this.aheadMs;
  }
}

/** Resolves when `condition` holds; it is looked at again and again. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}
