/**
 * A client's process on a virtual machine: its clock, its timers and its sockets, all of which stand
 * still while the process is paused and end with it. The client library itself is the shipping one.
 *
 * After a pause everything that was due meanwhile happens at once, timers and socket data in the one
 * order or the other, as a real event loop may have it. Every callback is an event of its own, and the
 * ensemble lets promises run between two events.
 */
import { SystemClock } from "../../../client/clock.ts";
import type { Timers } from "../../../client/timers.ts";
import { type WebSocketLike, webSocketDial } from "../../../client/websocket-transport.ts";
import type { ServerMessage } from "../../../src/model/client-message.ts";
import { operations } from "../../../src/model/operation.ts";
import type { SimClock } from "../clock.ts";
import type { Network, NodeId } from "../network.ts";
import type { Random } from "../random.ts";
import type { Scheduler } from "../scheduler.ts";
import type { SimServer } from "../server.ts";
import type { Trace } from "../trace.ts";
import { VirtualSocket } from "./socket.ts";

export interface MachineParts {
  readonly id: NodeId;
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly servers: readonly SimServer[];
  readonly clock: SimClock;
  readonly random: Random;
  readonly trace: Trace;
  /** Code of the user may have run or been made ready to run. `moved`: by something that can move a call on. */
  readonly touched: (moved: boolean) => void;
}

type Held = { readonly kind: "timer" | "socket"; readonly run: () => void };

interface ReplyLoss {
  readonly wants: (message: Extract<ServerMessage, { type: "reply" }>) => boolean;
  readonly happened: () => void;
}

/** How often a timer looks whether its machine's clock has changed its rate. */
const lookMs = 200;
/** Node's shortest timer. */
const timerMsMin = 1;
const hostPattern = /^ws:\/\/server-(\d+)/;

export class VirtualMachine {
  readonly parts: MachineParts;
  readonly monotonic: SystemClock;
  readonly #sockets = new Set<VirtualSocket>();
  #held: Held[] = [];
  #paused = false;
  #dead = false;
  #loss: ReplyLoss | undefined;
  /** Timers of the user's that have neither fired nor been cancelled. */
  userTimers = 0;

  constructor(parts: MachineParts) {
    this.parts = parts;
    const { clock, scheduler } = parts;
    this.monotonic = new SystemClock(
      () => clock.monotonic(scheduler.now),
      () => clock.now(scheduler.now).wallMs,
    );
  }

  get id(): NodeId {
    return this.parts.id;
  }

  get paused(): boolean {
    return this.#paused;
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** The server that it is connected to. */
  get server(): number | undefined {
    for (const socket of this.#sockets) if (socket.isOpen) return socket.server.id;
    return undefined;
  }

  readonly dial = webSocketDial((url): WebSocketLike => {
    const id = Number(hostPattern.exec(url)?.[1]);
    const server = this.parts.servers[id - 1];
    if (server === undefined) throw new RangeError(`there is no server at ${url}`);
    const socket = new VirtualSocket(this, server);
    this.#sockets.add(socket);
    return socket;
  });

  // ---- events

  readonly timers: Timers = {
    after: (ms, run, background = false) => {
      const { clock, scheduler } = this.parts;
      const atMs = clock.monotonic(scheduler.now) + Math.max(timerMsMin, ms);
      const timer = { open: true };
      if (!background) this.userTimers += 1;
      const close = (): boolean => {
        if (!timer.open) return false;
        timer.open = false;
        if (!background && !this.#dead) this.userTimers -= 1;
        return true;
      };
      this.#planTimer(atMs, () => {
        if (!close()) return;
        this.parts.touched(!background);
        run();
      });
      return () => void close();
    },
  };

  /** On the machine's own clock, whatever its rate is meanwhile. */
  #planTimer(atMs: number, fire: () => void): void {
    const { clock, scheduler } = this.parts;
    // A suspended clock shows no later time: look again soon.
    const due = Math.min(clock.trueAt(atMs), scheduler.now + lookMs);
    scheduler.at(due + 0.001, () => {
      if (clock.monotonic(scheduler.now) < atMs) return this.#planTimer(atMs, fire);
      this.deliver("timer", fire);
    });
  }

  /** Something happens to the process: now, or when it goes on. */
  deliver(kind: Held["kind"], run: () => void): void {
    if (this.#dead) return;
    if (this.#paused) this.#held.push({ kind, run });
    else run();
  }

  onMessage(socket: VirtualSocket, message: ServerMessage): void {
    if (message.type === "reply" && this.#loss?.wants(message) === true) {
      this.#loss.happened();
      this.#loss = undefined;
      return socket.break("the reply is lost");
    }
    this.deliver("socket", () => {
      this.parts.touched(message.type !== "heartbeat");
      socket.receive(message);
    });
  }

  forget(socket: VirtualSocket): void {
    this.#sockets.delete(socket);
  }

  // ---- faults

  /** The process stands still for `ms`; with `suspend` the machine's monotonic clock too. */
  pause(ms: number, suspend: boolean): void {
    if (this.#paused || this.#dead) return;
    const { scheduler, clock } = this.parts;
    this.#trace(suspend ? "suspend" : "pause", `${ms.toFixed(0)} ms`);
    this.#paused = true;
    if (suspend) clock.suspend(scheduler.now);
    scheduler.after(ms, () => {
      if (suspend) clock.resume(scheduler.now);
      this.#resume();
    });
  }

  #resume(): void {
    const { scheduler, random } = this.parts;
    this.#trace("goes on", "");
    const first = random.chance(0.5) ? "timer" : "socket";
    const held = [...this.#held.filter(({ kind }) => kind === first), ...this.#held.filter(({ kind }) => kind !== first)];
    this.#held = [];
    // Each in a turn of its own, before anything that comes later: the process is still catching up.
    const next = (i: number): void => {
      const one = held[i];
      if (this.#dead) return;
      if (one === undefined) return this.#caughtUp();
      one.run();
      scheduler.after(0.001, () => next(i + 1));
    };
    next(0);
  }

  #caughtUp(): void {
    if (this.#held.length > 0) return this.#resume();
    this.#paused = false;
  }

  /** The process ends, without a goodbye: its kernel closes its sockets. */
  kill(): void {
    this.#trace("kill", "");
    this.#dead = true;
    this.#held = [];
    this.userTimers = 0;
    for (const socket of [...this.#sockets]) socket.reset();
  }

  /** Its connection breaks; nothing else. */
  disconnect(): void {
    this.#trace("disconnect", "");
    for (const socket of [...this.#sockets]) socket.break("the connection is broken");
  }

  /** The next answer to a write that succeeded does not arrive, and the connection breaks. */
  loseReply(requestType: string | undefined, happened: () => void): void {
    this.#loss = {
      wants: ({ requestType: type, outcome }) =>
        outcome.code === "OK" && (requestType === undefined ? operations[type].class === "write" : type === requestType),
      happened: () => {
        this.#trace("lost reply", "");
        happened();
      },
    };
  }

  #trace(what: string, text: string): void {
    if (this.parts.trace.on) this.parts.trace.line(this.parts.name, what, text);
  }
}
