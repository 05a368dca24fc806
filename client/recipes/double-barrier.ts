/**
 * A double barrier: `count` participants go in together and come out together, round after round at the same path.
 *
 *   outside ──enter──▶ gathering ──`ready` names us──▶ inside ──leave──▶ leaving ──all of the round have left──▶ outside
 *
 * Each participant is an ephemeral child. When `count` are there, anyone makes `ready`, which names those of this round: who comes
 * while it is there, but is not named, waits for the next round. `ready` goes when all whom it names have left, be it by dying; whoever sees
 * that removes it (that very one, by czxid), so a last leaver that dies holds nobody. A participant whose session is lost while
 * it gathers takes its old node away and comes again; once inside, its `signal` fires and the others no longer wait for it. Who gives up while it gathers is
 * gone before the same client comes again.
 */
import { mutant } from "../../src/model/mutant.ts";
import { joinPath, nameOf } from "../../src/model/path.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { toText } from "../data.ts";
import { unless, ZabraError } from "../error.ts";
import type { CreatedNode } from "../operations.ts";
import { requireInteger, requireOpen } from "./check.ts";
import { Departures } from "./departures.ts";
import { lookUntil } from "./look.ts";
import { goesOn, orAborted, type WaitOptions, withLimit } from "./wait.ts";
import { untilSessionEnds, whenGone } from "./when-gone.ts";

const memberPrefix = "m-";
const readyName = "ready";
/** Of those that gave up while they gathered. */
const departures = new Departures();

interface Ready {
  readonly czxid: Zxid;
  readonly names: readonly string[];
}

interface Place {
  readonly name: string;
  readonly czxid: Zxid;
  readonly owner: SessionId | 0;
}

interface View {
  /** In the order of their coming. */
  readonly members: readonly Place[];
  readonly ready: Ready | undefined;
}

/** A number of participants go in together and come out together, round after round. */
export class DoubleBarrier {
  readonly path: string;
  readonly #client: Client;
  readonly #count: number;

  /** `count`: participants of a round, 1 to 1,000; all must name the same. Throws BAD_ARGUMENTS and CLOSED. */
  constructor(client: Client, path: string, count: number) {
    requireOpen(client, path);
    requireInteger("count", count, 1, 1_000);
    this.#client = client;
    this.path = path;
    this.#count = count;
  }

  /** Resolves when `count` are there. Rejects with TIMEOUT, ABORTED (it gathers no longer), CLOSED, NO_AUTH. */
  enter(options: WaitOptions = {}): Promise<Inside> {
    return withLimit(this.#client, this.path, options, async (signal) => {
      const lost = new Set<SessionId>();
      for (;;) {
        const { session } = this.#client;
        const inside = await this.#gather(lost, signal);
        if (inside !== undefined) return inside;
        if (session !== undefined) lost.add(session.id);
      }
    });
  }

  /** undefined: the session was lost; come again. `lost`: our sessions of before. */
  async #gather(lost: ReadonlySet<SessionId>, signal: AbortSignal): Promise<Inside | undefined> {
    let joining: Promise<CreatedNode> | undefined;
    try {
      if (!mutant("who comes again is counted twice")) await this.#removeFormer(lost, signal);
      joining = this.#join();
      const member = await orAborted(joining, signal);
      const ready = await lookUntil(this.#client, this.path, () => this.#advance(member, signal), signal);
      // A process that stood still may learn that it is in after the others have stopped waiting for it: then it is not.
      const { session, validUntilMs = 0 } = this.#client;
      const held = session?.id === member.stat.ephemeralOwner && this.#client.nowMs() < validUntilMs;
      if (ready === "gone" || !held) {
        await remove(this.#client, member);
        return undefined;
      }
      return new Inside(this.#client, this.path, member, ready, (round, limit) => this.#left(round, limit));
    } catch (thrown) {
      if (joining !== undefined && !mutant("who gives up stays")) {
        const leaving = joining.then((member) => remove(this.#client, member));
        departures.note(this.#client, this.path, leaving);
      }
      const error = ZabraError.from(thrown, this.path);
      if (!signal.aborted && error.code === "SESSION_EXPIRED" && goesOn(this.#client, error)) return undefined;
      throw error;
    }
  }

  /**
   * The others would count us twice: by a node that we gave up, and by one of a lost session, which stands until the servers find
   * that it has ended.
   */
  async #removeFormer(lost: ReadonlySet<SessionId>, signal: AbortSignal): Promise<void> {
    await orAborted(departures.settled(this.#client, this.path), signal);
    const view = lost.size === 0 ? undefined : await unless("NO_NODE", this.#view(signal));
    for (const { name, czxid, owner } of view?.members ?? []) {
      const isFormer = owner !== 0 && owner !== this.#client.session?.id && lost.has(owner);
      if (isFormer) await this.#removeThat(name, czxid);
    }
  }

  /** That very node; it may be gone. */
  async #removeThat(name: string, czxid: Zxid): Promise<void> {
    const path = joinPath(this.path, name);
    await unless("FENCED", unless("NO_NODE", this.#client.delete(path, { ...untilSessionEnds, guard: { path, czxid } })));
  }

  async #join(): Promise<CreatedNode> {
    const create = (): Promise<CreatedNode> =>
      this.#client.create(joinPath(this.path, memberPrefix), undefined, {
        ...untilSessionEnds,
        kind: "ephemeral",
        sequential: true,
      });
    const created = await unless("NO_NODE", create());
    if (created !== undefined) return created;
    await this.#client.ensurePath(this.path, untilSessionEnds);
    return create();
  }

  /** Resolves to the round that we are in, or that our node is gone; undefined after what else there was to do: wait for a change. */
  async #advance(member: CreatedNode, signal: AbortSignal): Promise<Ready | "gone" | undefined> {
    const { members, ready } = await this.#view(signal);
    const name = nameOf(member.path);
    if (ready?.names.includes(name) === true) return ready;
    if (!isThere(members, [name])) return "gone";
    if (ready !== undefined) await this.#removeIfOver(ready, members);
    else if (members.length >= this.#count - (mutant("a barrier opens one early") ? 1 : 0)) {
      const names = members.slice(0, this.#count).map((one) => one.name);
      await unless("NODE_EXISTS", this.#client.create(joinPath(this.path, readyName), JSON.stringify(names), untilSessionEnds));
    }
    return undefined;
  }

  /** Resolves to true when all of the round have left. */
  async #left(round: Ready, signal: AbortSignal): Promise<true | undefined> {
    const { members, ready } = await this.#view(signal);
    if (isThere(members, round.names)) return undefined;
    if (ready?.czxid === round.czxid) await this.#removeIfOver(ready, members);
    return true;
  }

  async #removeIfOver({ names, czxid }: Ready, members: readonly Place[]): Promise<void> {
    if (isThere(members, names)) return;
    await this.#removeThat(readyName, czxid);
  }

  async #view(signal: AbortSignal): Promise<View> {
    const members: Place[] = [];
    let ready: Ready | undefined;
    for await (const { path, stat, data } of this.#client.list(this.path, { ...untilSessionEnds, withData: true, signal })) {
      const name = nameOf(path);
      if (name === readyName) ready = { czxid: stat.czxid, names: JSON.parse(toText(data)) as readonly string[] };
      else if (name.startsWith(memberPrefix)) members.push({ name, czxid: stat.czxid, owner: stat.ephemeralOwner });
    }
    return { members: members.sort((a, b) => a.czxid - b.czxid), ready };
  }
}

/** One's stay inside. */
export class Inside {
  readonly #client: Client;
  readonly #path: string;
  readonly #member: CreatedNode;
  readonly #ready: Ready;
  readonly #hasLeft: (round: Ready, signal: AbortSignal) => Promise<true | undefined>;
  readonly #ended = new AbortController();

  /** Use `DoubleBarrier.enter`. */
  constructor(
    client: Client,
    path: string,
    member: CreatedNode,
    ready: Ready,
    hasLeft: (round: Ready, signal: AbortSignal) => Promise<true | undefined>,
  ) {
    this.#client = client;
    this.#path = path;
    this.#member = member;
    this.#ready = ready;
    this.#hasLeft = hasLeft;
    const { path: own, stat } = member;
    const gone = (): void => this.#ended.abort(new ZabraError("SESSION_EXPIRED", { path: own }));
    whenGone(client, { path: own, czxid: stat.czxid }, this.signal).then(gone, gone);
  }

  /** Names the round: the same for all who are in it, and higher than that of any before. */
  get round(): Zxid {
    return this.#ready.czxid;
  }

  /** Fires when the others no longer wait for us: SESSION_EXPIRED when our node went with its session, ABORTED after `leave`. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Resolves when all of the round have left. Rejects with TIMEOUT or ABORTED: then we have left, and the others may not have. */
  leave(options: WaitOptions = {}): Promise<void> {
    this.#ended.abort(new ZabraError("ABORTED", { path: this.#path, detail: "left" }));
    return withLimit(this.#client, this.#path, options, async (signal) => {
      await orAborted(remove(this.#client, this.#member), signal);
      if (mutant("who leaves waits for nobody")) return;
      await lookUntil(this.#client, this.#path, () => this.#hasLeft(this.#ready, signal), signal);
    });
  }
}

function isThere(members: readonly Place[], names: readonly string[]): boolean {
  return members.some((one) => names.includes(one.name));
}

/** With its session, if not by us. */
async function remove(client: Client, { path, stat }: CreatedNode): Promise<void> {
  await client.delete(path, { ...untilSessionEnds, guard: { path, czxid: stat.czxid } }).catch(() => {});
}
