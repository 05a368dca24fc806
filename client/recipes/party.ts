/**
 * A party, or group: who is here. Each member is an ephemeral node that its process keeps (`persistent-ephemeral.ts`), under a name of its
 * own, so a member that comes back after a lost session is one member, not two. Members see each other through a live list that
 * stays while there is no connection.
 */
import { mutant } from "../../src/model/mutant.ts";
import { joinPath, nameOf } from "../../src/model/path.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { type DataInput, toText } from "../data.ts";
import { unless, ZabraError } from "../error.ts";
import { type Cache, cacheChildren } from "./cache.ts";
import { requireName, requireOpen } from "./check.ts";
import { lookUntil } from "./look.ts";
import { PersistentEphemeral } from "./persistent-ephemeral.ts";
import { until, type WaitOptions, withLimit } from "./wait.ts";
import { untilSessionEnds } from "./when-gone.ts";

export interface Member {
  readonly name: string;
  readonly data: Uint8Array | undefined;
  readonly text: string;
  /** Of its joining; the earliest has been here longest. Another after a lost session. */
  readonly czxid: Zxid;
}

export interface JoinOptions extends WaitOptions {
  /** Unique in the party. Default: the number of the session. */
  readonly name?: string | undefined;
  readonly data?: DataInput;
}

/** A group whose members are there while their processes are. */
export class Party {
  readonly path: string;
  readonly #client: Client;

  /** Throws BAD_ARGUMENTS and CLOSED. */
  constructor(client: Client, path: string) {
    requireOpen(client, path);
    this.#client = client;
    this.path = path;
  }

  /** Resolves when we are a member, and see ourselves. Rejects with TIMEOUT (as when another has the name), ABORTED, BAD_ARGUMENTS, NO_AUTH, CLOSED. */
  async join(options: JoinOptions = {}): Promise<Membership> {
    requireOpen(this.#client, this.path);
    const name = options.name ?? `m-${this.#client.session?.id ?? 0}`;
    requireName("name", name);
    return withLimit(this.#client, this.path, options, async (signal) => {
      const own = new PersistentEphemeral(this.#client, joinPath(this.path, name), options.data);
      try {
        await own.ready({ signal });
        const cache = await cacheChildren(this.#client, this.path, { signal });
        return new Membership(this.#client, name, own, cache);
      } catch (error) {
        void own.close();
        throw error;
      }
    });
  }

  /**
   * Resolves to who is here, those who have been here longest first: all whose `join` resolved before the call and who have not left, whatever server is
   * asked. Rejects with TIMEOUT, ABORTED, NO_AUTH, CLOSED, SESSION_EXPIRED (only without `reopen`).
   */
  members(options: WaitOptions = {}): Promise<readonly Member[]> {
    return withLimit(this.#client, this.path, options, (signal) =>
      lookUntil(this.#client, this.path, async () => (await unless("NO_NODE", this.#look(signal))) ?? [], signal),
    );
  }

  async #look(signal: AbortSignal): Promise<readonly Member[]> {
    const level = mutant("members are asked without a quorum") ? "session" : "linearizable";
    const members: Member[] = [];
    for await (const { path, data, stat } of this.#client.list(this.path, { ...untilSessionEnds, level, withData: true, signal }))
      members.push({ name: nameOf(path), data, text: toText(data), czxid: stat.czxid });
    return members.sort(byCzxid);
  }
}

const byCzxid = (a: Member, b: Member): number => a.czxid - b.czxid;

/** One's own being in a party, and the live list of its members. */
export class Membership {
  readonly name: string;
  readonly #client: Client;
  readonly #own: PersistentEphemeral;
  readonly #cache: Cache;

  /** Use `Party.join`. */
  constructor(client: Client, name: string, own: PersistentEphemeral, cache: Cache) {
    this.#client = client;
    this.name = name;
    this.#own = own;
    this.#cache = cache;
    own.signal.addEventListener("abort", () => cache.close(), { once: true });
  }

  /** Who is here, those who have been here longest first; as last seen while there is no connection. */
  get members(): readonly Member[] {
    if (this.stale && mutant("a list is empty without a connection")) return [];
    return membersOf(this.#cache);
  }

  /** Whether we are here ourselves: not between a lost session and the next. */
  get present(): boolean {
    return this.#own.state === "held";
  }

  /** Whether there is no connection: others may have come or gone. */
  get stale(): boolean {
    return this.#cache.stale;
  }

  /** Fires when we are no member any more: after `leave`, or with the refusal that ended it. */
  get signal(): AbortSignal {
    return this.#own.signal;
  }

  /** Calls `listener` after every change of the members or their data. Returns what ends that. */
  onChange(listener: (members: readonly Member[]) => void): () => void {
    return this.#cache.onChange(() => listener(this.members));
  }

  /** Resolves as soon as `holds` is true of the members. Rejects with TIMEOUT, ABORTED, CLOSED. */
  when(holds: (members: readonly Member[]) => boolean, options: WaitOptions = {}): Promise<void> {
    const { path } = this.#cache;
    return withLimit(this.#client, path, options, (signal) => until(this.#cache, () => holds(this.members), signal));
  }

  /** Replaces our data. Resolves when it shows. Rejects with LIMIT, TIMEOUT, ABORTED, CLOSED. */
  set(data: DataInput, options: WaitOptions = {}): Promise<void> {
    if (this.signal.aborted) return Promise.reject(new ZabraError("CLOSED", { path: this.#own.path, detail: "we have left" }));
    return this.#own.set(data, options);
  }

  /** Resolves when we are no member any more; never rejects. */
  async leave(): Promise<void> {
    this.#cache.close();
    if (!mutant("who leaves stays listed")) await this.#own.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
  }
}

function membersOf(cache: Cache): readonly Member[] {
  const members: Member[] = [];
  for (const { path, data, text, stat } of cache.descendants())
    members.push({ name: nameOf(path), data, text, czxid: stat.czxid });
  return members.sort(byCzxid);
}
