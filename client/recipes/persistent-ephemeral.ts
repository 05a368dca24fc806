/**
 * An ephemeral node that is there as long as its keeper wants it: made again when its session was lost or
 * somebody deleted it. Party members, registered instances and owned shards rest on it.
 *
 *   absent ──create──▶ held ──session lost, node deleted──▶ absent
 *     └─NODE_EXISTS─▶ waiting ──that one is gone──▶ absent          any ──close, refusal──▶ ended
 *
 * A node of the same name that is in the way: if a former session of this keeper made it, it is replaced at once
 * (in one txn, and only if it is still that one); anybody else's is waited for, never taken.
 * While the connection is gone nothing is done: the node lasts until the session ends.
 */
import { mutant } from "../../src/model/mutant.ts";
import type { Guard } from "../../src/model/request.ts";
import type { Stat } from "../../src/model/stat.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import { checkSize } from "../chroot.ts";
import type { Client } from "../client.ts";
import { type DataInput, toBytes } from "../data.ts";
import { unless, ZabraError } from "../error.ts";
import { Listeners } from "../listeners.ts";
import { requireOpen } from "./check.ts";
import { createEphemeral } from "./held-node.ts";
import { goesOn, isSessionLoss, orAborted, until, type WaitOptions, withLimit } from "./wait.ts";
import { untilSessionEnds, whenGone } from "./when-gone.ts";

export type KeeperState = "absent" | "waiting" | "held" | "ended";

const retryMsMin = 50;
const retryMsMax = 2_000;
/** Former sessions that are remembered: a node of theirs is ours. */
const sessionsMax = 8;

/** An ephemeral node that is made again when its session was lost or somebody deleted it. */
export class PersistentEphemeral {
  readonly path: string;
  readonly #client: Client;
  readonly #listeners = new Listeners<[KeeperState]>();
  readonly #ended = new AbortController();
  readonly #ran: Promise<void>;
  readonly #stopListening: () => void;
  #state: KeeperState = "absent";
  #data: Uint8Array | undefined;
  #czxid: Zxid | undefined;
  #owner: SessionId | undefined;
  #sessions: SessionId[] = [];
  #retryMs = retryMsMin;

  /** Begins at once; `ready` tells when the node is there. Missing parents are made, as containers. Throws BAD_ARGUMENTS, LIMIT and CLOSED. */
  constructor(client: Client, path: string, data?: DataInput) {
    requireOpen(client, path);
    this.#client = client;
    this.path = path;
    this.#data = toBytes(data);
    checkSize([path], [this.#data]);
    this.#stopListening = client.onState(() => this.#checkSession());
    this.#ran = this.#run();
  }

  get state(): KeeperState {
    return this.#state;
  }

  /** The czxid of the node that is held now; a new one each time it had to be made again. */
  get czxid(): Zxid | undefined {
    return this.#czxid;
  }

  /** For `guard` of writes that are right only while the node is held; undefined while it is not. */
  get guard(): Guard | undefined {
    return this.#czxid === undefined ? undefined : { path: this.path, czxid: this.#czxid };
  }

  /** Fires when it is kept no longer: CLOSED, or the refusal that ended it, such as NO_AUTH. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Calls `listener` with every later state. Returns what ends that. */
  onChange(listener: (state: KeeperState) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Resolves when the node is there and ours. Rejects with TIMEOUT, ABORTED, or what ended the keeper. */
  ready(options: WaitOptions = {}): Promise<void> {
    return withLimit(this.#client, this.path, options, (signal) => until(this, () => this.#state === "held", signal));
  }

  /** Replaces the data, of this node and of those made after it. Resolves when the node shows it. Rejects as `ready`, and with LIMIT: then the data stays. */
  async set(data: DataInput, options: WaitOptions = {}): Promise<void> {
    const bytes = toBytes(data);
    checkSize([this.path], [bytes]);
    this.#data = bytes;
    await withLimit(this.#client, this.path, options, async (signal) => {
      for (let isShown = false; !isShown; ) {
        await until(this, () => this.#state === "held", signal);
        const czxid = this.#czxid;
        isShown = await orAborted(this.#write(), signal);
        if (!isShown) await until(this, () => this.#czxid !== czxid, signal);
      }
    });
  }

  /** Deletes the node and keeps it no longer. Resolves when it is gone, be it with its session, which may be while no server can be reached; never rejects. */
  async close(): Promise<void> {
    this.#end(new ZabraError("CLOSED", { path: this.path, detail: "the keeper was closed" }));
    await this.#ran;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // ---- the machine

  async #run(): Promise<void> {
    while (!this.signal.aborted) {
      try {
        await this.#session();
        if ((mutant("a keeper does not come back") || mutant("a keeper believes in a lost session")) && this.#sessions.length > 0)
          await this.#client.sleep(60_000, { signal: this.signal });
        await this.#create();
        if (this.#state === "held") await this.#hold();
        this.#retryMs = retryMsMin;
      } catch (thrown) {
        await this.#recover(ZabraError.from(thrown, this.path));
      }
    }
    await this.#leave();
  }

  /** A call without a session waits for the next one, and `close` would wait with it. So nothing is asked for until there is one, or none will come. */
  #session(): Promise<void> {
    const states = { onChange: (look: () => void) => this.#client.onState(look), signal: this.signal };
    const isOver = (): boolean => this.#client.state.type === "closed" || this.#client.state.type === "lost";
    return until(states, () => this.#client.session !== undefined || isOver(), this.signal);
  }

  /** Its create has no deadline of its own: exactly-once retries carry it to an answer, or the session ends. */
  async #create(): Promise<void> {
    const data = this.#data;
    this.#remember();
    const created = await unless("NODE_EXISTS", createEphemeral(this.#client, { path: this.path, sequential: false, data }));
    if (created === undefined) return this.#onTaken();
    this.#hasNode(created.stat);
    if (this.#data !== data) await this.#write();
  }

  async #onTaken(): Promise<void> {
    const found = await this.#client.exists(this.path, { ...untilSessionEnds, signal: this.signal });
    if (found === undefined) return;
    if (found.ephemeralOwner === this.#client.session?.id) return this.#adopt(found);
    if (this.#sessions.includes(found.ephemeralOwner) || mutant("a keeper takes another's node")) return this.#replace(found);
    this.#become("waiting");
    await whenGone(this.#client, { path: this.path, czxid: found.czxid }, this.signal);
    this.#become("absent");
  }

  /** This very session made it: before a reply was lost with its call, or in an earlier process that passed the session on. */
  async #adopt(found: Stat): Promise<void> {
    this.#hasNode(found);
    await this.#write();
  }

  async #replace({ czxid }: Stat): Promise<void> {
    this.#remember();
    const { path } = this;
    const replace = this.#client.transaction().ifCzxid(path, czxid).delete(path).create(path, this.#data, { kind: "ephemeral" });
    const data = this.#data;
    const done = await unless("CONDITION_FAILED", replace.commit(untilSessionEnds));
    const result = done?.outcomes[1]?.result;
    if (result?.type !== "created") return;
    this.#hasNode(result.stat);
    if (this.#data !== data) await this.#write();
  }

  /** Resolves when the node is gone. */
  async #hold(): Promise<void> {
    const guard = this.guard;
    try {
      if (guard !== undefined) await whenGone(this.#client, guard, this.signal);
    } finally {
      if (!this.signal.aborted) this.#lose();
    }
  }

  /** Resolves to whether it was written. If not, the node is gone, and will be made again with this data. */
  async #write(): Promise<boolean> {
    const { guard } = this;
    if (guard === undefined) return false;
    try {
      await this.#client.set(this.path, this.#data, { ...untilSessionEnds, guard });
      return true;
    } catch (error) {
      if (ZabraError.from(error).code !== "FENCED" && !isSessionLoss(this.#client, error)) throw error;
      return false;
    }
  }

  async #recover(error: ZabraError): Promise<void> {
    if (this.signal.aborted) return;
    this.#lose();
    if (!goesOn(this.#client, error)) return this.#end(error);
    await this.#client.sleep(this.#retryMs, { signal: this.signal }).catch(() => {});
    this.#retryMs = Math.min(2 * this.#retryMs, retryMsMax);
  }

  async #leave(): Promise<void> {
    const { guard } = this;
    this.#czxid = undefined;
    if (guard === undefined) return;
    await this.#client.delete(this.path, { ...untilSessionEnds, guard }).catch(() => {});
  }

  #remember(): void {
    const session = this.#client.session?.id;
    if (session === undefined || this.#sessions.includes(session)) return;
    this.#sessions = [...this.#sessions.slice(1 - sessionsMax), session];
  }

  /** Whoever asks after a session was lost is not told that the node is held. */
  #checkSession(): void {
    if (this.#state === "held" && this.#client.session?.id !== this.#owner) this.#lose();
  }

  #hasNode(stat: Stat): void {
    this.#czxid = stat.czxid;
    this.#owner = stat.ephemeralOwner;
    this.#remember();
    this.#become("held");
  }

  #lose(): void {
    if (mutant("a keeper believes in a lost session")) return;
    this.#czxid = undefined;
    this.#become("absent");
  }

  #become(state: KeeperState): void {
    if (this.#state === state || this.#state === "ended") return;
    this.#state = state;
    this.#listeners.tell(state);
  }

  #end(reason: ZabraError): void {
    if (this.signal.aborted) return;
    this.#stopListening();
    this.#become("ended");
    this.#ended.abort(reason);
    this.#listeners.clear();
  }
}
