/**
 * The loop. Drivers push events into the inbox; a turn takes all of them, *then* samples the clock,
 * calls the replica, and performs its effects in order. All that arrived in one turn of the event
 * loop thus shares one log write, one frame for each peer and one write for each client.
 *
 * A turn runs in the check phase (`setImmediate`), right after the sockets and disk completions that are
 * ready have been polled, and at least every `tickMs`. An exception in a turn, or in performing it, is
 * our own bug: the server stops with exit code 70.
 */
import { performance } from "node:perf_hooks";
import type { ServerMessage } from "../src/model/client-message.ts";
import type { ConnectionId, ServerId } from "../src/model/zxid.ts";
import type { Effects, Halt } from "../src/replica/effects.ts";
import type { Event, Now } from "../src/replica/event.ts";
import type { Status } from "../src/replica/status.ts";
import type { PeerMessage } from "../src/zab/message.ts";
import type { Clock } from "./clock.ts";
import { failpoint } from "./failpoint.ts";
import type { Inbox } from "./inbox.ts";
import { type Logger, writeLogLine } from "./log.ts";

/** What the loop needs of a replica. */
export interface TurnTaker {
  turn(now: Now, events: readonly Event[]): Effects;
  status(): Status;
}

export interface PeerPort {
  send(peer: ServerId, link: number, message: PeerMessage): void;
  flush(): void;
  close(peer: ServerId, link: number, reason: string): void;
}

export interface ClientPort {
  send(connection: ConnectionId, message: ServerMessage): void;
  flush(): void;
  close(connection: ConnectionId, reason: string): void;
}

export interface LoopOptions {
  readonly replica: TurnTaker;
  readonly inbox: Inbox;
  readonly clock: Clock;
  readonly peers: PeerPort;
  readonly clients: ClientPort;
  readonly logger: Logger;
  /** Called once; the loop has stopped. */
  onHalt(halt: Halt): void;
}

export interface LoopCounters {
  readonly turns: number;
  readonly events: number;
  readonly longestTurnMs: number;
}

const tickMs = 10;

export class NodeLoop {
  readonly #options: LoopOptions;
  #timer: NodeJS.Timeout | undefined;
  #scheduled = false;
  #stopped = false;
  #turns = 0;
  #events = 0;
  #longestTurnMs = 0;

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.inbox.onArrival(this.#schedule);
    this.#timer = setInterval(this.#schedule, tickMs);
    this.#schedule();
  }

  /** No turn runs afterwards. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  status(): Status {
    return this.#options.replica.status();
  }

  counters(): LoopCounters {
    return { turns: this.#turns, events: this.#events, longestTurnMs: this.#longestTurnMs };
  }

  readonly #schedule = (): void => {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  };

  readonly #turn = (): void => {
    this.#scheduled = false;
    if (this.#stopped) return;
    try {
      this.#takeTurn();
    } catch (error) {
      this.#options.logger.error({ err: error }, "a turn failed");
      this.#halt({ exitCode: 70, reason: error instanceof Error ? error.message : String(error) });
    }
  };

  #takeTurn(): void {
    const { inbox, clock, replica } = this.#options;
    const begunMs = performance.now();
    const events = inbox.take();
    const now = clock.now();
    const effects = replica.turn(now, events);
    this.#perform(effects);
    this.#count(events.length, performance.now() - begunMs);
  }

  #perform(effects: Effects): void {
    const { peers, clients, logger } = this.#options;
    for (const send of effects.peerSends) peers.send(send.peer, send.link, send.message);
    peers.flush();
    for (const close of effects.peerCloses) peers.close(close.peer, close.link, close.reason);
    const replies = effects.clientSends.length > 0;
    if (replies) failpoint("replyBeforeSend");
    for (const send of effects.clientSends) clients.send(send.connection, send.message);
    clients.flush();
    if (replies) failpoint("replyAfterSend");
    for (const close of effects.clientCloses) clients.close(close.connection, close.reason);
    for (const line of effects.logLines) writeLogLine(logger, line);
    if (effects.halt !== undefined) this.#halt(effects.halt);
    else if (effects.again) this.#schedule();
  }

  #halt(halt: Halt): void {
    this.stop();
    this.#options.onHalt(halt);
  }

  #count(events: number, elapsedMs: number): void {
    this.#turns += 1;
    this.#events += events;
    if (elapsedMs > this.#longestTurnMs) this.#longestTurnMs = elapsedMs;
  }
}
