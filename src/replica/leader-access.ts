/**
 * A server's way to the leader, whoever that is: our own leader side, or the link to another server.
 * Forwards, confirmations and resumes of one turn leave together, one message of a kind.
 */
import { buggify } from "../model/buggify.ts";
import type { ConnectionId, ServerId, SessionId } from "../model/zxid.ts";
import type { ConfirmMessage, ForwardedWrite, RequestMessage } from "../zab/message.ts";

/** What waits for one confirmation. */
export interface ConfirmBatch {
  readonly id: number;
  read: boolean;
  readonly touched: Set<SessionId>;
  /** Heartbeats of clients to answer once confirmed. */
  readonly heartbeats: { readonly connection: ConnectionId; readonly id: number }[];
  /** Connections with reads that wait for the read index. */
  readonly readers: Set<ConnectionId>;
  readonly sentMs: number;
}

export class LeaderAccess {
  readonly #send: (leader: ServerId, message: RequestMessage) => void;
  #leader: ServerId | undefined;
  #forwards: ForwardedWrite[] = [];
  #gathering: ConfirmBatch | undefined;
  #left: ConfirmBatch[] = [];
  readonly #unanswered = new Map<number, ConfirmBatch>();
  #nextId = 1;

  constructor(send: (leader: ServerId, message: RequestMessage) => void) {
    this.#send = send;
  }

  get leader(): ServerId | undefined {
    return this.#leader;
  }

  /** A new leader, or none. With a leader, returns the batches that the ones before left unanswered: their needs must be gathered again. */
  setLeader(leader: ServerId | undefined): ConfirmBatch[] {
    this.#left.push(...this.#unanswered.values());
    this.#unanswered.clear();
    this.#forwards = [];
    this.#leader = leader;
    if (leader === undefined) return [];
    const left = this.#left;
    this.#left = [];
    return left;
  }

  forward(write: ForwardedWrite): void {
    if (this.#leader !== undefined) this.#forwards.push(write);
  }

  /** The batch of this turn. */
  gather(nowMs: number): ConfirmBatch {
    this.#gathering ??= {
      id: this.#nextId++,
      read: false,
      touched: new Set(),
      heartbeats: [],
      readers: new Set(),
      sentMs: nowMs,
    };
    return this.#gathering;
  }

  send(message: RequestMessage): void {
    if (this.#leader !== undefined) this.#send(this.#leader, message);
  }

  take(id: number): ConfirmBatch | undefined {
    const batch = this.#unanswered.get(id);
    this.#unanswered.delete(id);
    return batch;
  }

  /** Sends what the turn gathered. */
  flush(): void {
    if (this.#leader === undefined) return;
    if (this.#forwards.length > 0) {
      const writes = this.#forwards;
      this.#forwards = [];
      if (buggify("each forward leaves by itself"))
        for (const write of writes) this.#send(this.#leader, { type: "forward", writes: [write] });
      else this.#send(this.#leader, { type: "forward", writes });
    }
    const batch = this.#gathering;
    if (batch === undefined) return;
    this.#gathering = undefined;
    this.#unanswered.set(batch.id, batch);
    const message: ConfirmMessage = { type: "confirm", id: batch.id, read: batch.read, touched: [...batch.touched] };
    this.#send(this.#leader, message);
  }
}
