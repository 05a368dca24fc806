/**
 * Leader election with a lease: of those who campaign, one leads, until it resigns or its deadline passes.
 * Candidates lead in the order of campaigning. A term is a grant: token, guard, deadline, signal.
 *
 *     const election = new Election(client, "/election/scheduler", { data: hostname });
 *     const term = await election.campaign();
 *     while (!term.signal.aborted) await client.set("/plan", next(), { guard: term.guard });
 */
import { mutant } from "../../src/model/mutant.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import type { DataInput } from "../data.ts";
import type { CallOptions } from "../operations.ts";
import type { StreamBatch, StreamChange } from "../stream.ts";
import { awaitTurn } from "./contender.ts";
import { Grant } from "./grant.ts";
import { type Layout, latchNames } from "./layout.ts";
import { type ContenderInfo, Queue } from "./queue.ts";
import type { WaitOptions } from "./wait.ts";

export interface ElectionOptions {
  /** Who this candidate is: what observers are told. */
  readonly data?: DataInput;
  /** Whose nodes to make. Those of Curator's LeaderLatch and kazoo's Election at the same path are respected in any case. Default `zabra`. */
  readonly layout?: Layout;
}

/** The time of one leader, as it sees it. */
export class Term extends Grant {
  /** Steps down. Resolves when the next candidate can lead. Rejects with BAD_ARGUMENTS when that was done already. */
  resign(): Promise<void> {
    return this.release();
  }
}

/** Who leads from `zxid` on; undefined: nobody. */
export interface Leadership {
  readonly leader: ContenderInfo | undefined;
  readonly zxid: Zxid;
  /** History was gone: leaders between the one before and this one may be missing. */
  readonly gap: boolean;
}

/** Of those who campaign, one leads until it resigns or its session ends; then the one who asked next. */
export class Election {
  readonly #client: Client;
  readonly #queue: Queue;
  readonly #data: DataInput;

  /** `path` is the queue's node; it is made, as a container, when it is missing. Throws BAD_ARGUMENTS and CLOSED. */
  constructor(client: Client, path: string, options: ElectionOptions = {}) {
    this.#client = client;
    this.#queue = new Queue(client, path, { role: "latch", layout: options.layout ?? "zabra", names: latchNames });
    this.#data = options.data;
  }

  /** Resolves when we lead. Rejects with TIMEOUT or ABORTED (the candidacy is withdrawn), SESSION_EXPIRED (only without `reopen`), CLOSED, NO_AUTH. */
  async campaign(options: WaitOptions = {}): Promise<Term> {
    return new Term(this.#client, await awaitTurn(this.#client, this.#queue, this.#data, options));
  }

  /** The leader first, then those who will follow, in order. */
  candidates(options: CallOptions = {}): Promise<readonly ContenderInfo[]> {
    return this.#queue.contenders(this.#client, options);
  }

  /** Resolves to who leads now; undefined: nobody. */
  async leader(options: CallOptions = {}): Promise<ContenderInfo | undefined> {
    return (await this.candidates(options))[0];
  }

  /** Every leader from now on, in order and without a gap (or with `gap` set), over reconnects and new sessions. Ends when left, or with ABORTED. */
  async *observe(options: { readonly signal?: AbortSignal | undefined } = {}): AsyncGenerator<Leadership, void, undefined> {
    const view = new ElectionView(this.#queue.path);
    for await (const batch of this.#client.subscribe(this.#queue.path, { signal: options.signal })) yield* view.accept(batch);
  }
}

/** Follows the candidates through a stream; says when the lowest czxid changes. A txn that removes one leader and makes way for another is one change. */
class ElectionView {
  readonly #path: string;
  #candidates = new Map<string, ContenderInfo>();
  /** undefined: nothing has been told yet; 0: that nobody leads. */
  #told: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  *accept(batch: StreamBatch): Iterable<Leadership> {
    if (batch.type === "snapshot") {
      this.#candidates = new Map();
      for (const { path, stat, data } of batch.entries)
        this.#add({ path, token: stat.czxid, session: stat.ephemeralOwner, data });
      yield* this.#tell(batch.zxid, this.#told !== undefined);
      return;
    }
    for (let i = 0; i < batch.changes.length; i += 1) {
      const change = batch.changes[i];
      if (change === undefined) continue;
      this.#apply(change);
      const next = batch.changes[i + 1];
      if (next?.zxid === change.zxid || (next !== undefined && mutant("an observer is told the last of a batch"))) continue;
      yield* this.#tell(change.zxid, false);
    }
  }

  #add(candidate: ContenderInfo): void {
    const isOurs = candidate.path.length > this.#path.length && latchNames.test(candidate.path);
    if (isOurs) this.#candidates.set(candidate.path, candidate);
  }

  #apply({ type, path, stat, data }: StreamChange): void {
    if (type === "deleted") this.#candidates.delete(path);
    else if (type !== "aclChanged" && stat !== undefined)
      this.#add({ path, token: stat.czxid, session: stat.ephemeralOwner, data });
  }

  *#tell(zxid: Zxid, gap: boolean): Iterable<Leadership> {
    let leader: ContenderInfo | undefined;
    const newest = mutant("an observer takes the last to come for the leader");
    for (const candidate of this.#candidates.values())
      if (leader === undefined || candidate.token < leader.token !== newest) leader = candidate;
    const told = leader?.token ?? 0;
    if (told === this.#told && !gap) return;
    this.#told = told;
    yield { leader, zxid, gap };
  }
}
