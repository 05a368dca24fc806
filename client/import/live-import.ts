/**
 * Copies a running ZooKeeper, then follows it until it is told to cut over.
 *
 * Nothing is lost because a watch is set *before* the tree is scanned: what changes behind the scan's back
 * is told, and looked at again. Each change is taken by reading the node as it is now, so the target goes to the
 * source's latest state and not through all states between; until the cut-over it is no consistent image. When the
 * connection is lost, a new session sets the watch again and everything is scanned again: each node's zxids, kept in memory, tell
 * what changed (a persistent watch does not say what it missed). Sources before 3.6 have no recursive
 * watch and are scanned again and again. An ACL's change fires no watch at all: scans find it, by its version.
 *
 * The cut-over scans once more, takes what is still told, and compares the digest of all that was read of the
 * source with that of the target, which is read anew. A node's digest was taken when it was read; that its
 * zxids and ACL version are the same now says that it is still so. If the source was written meanwhile, the comparison is
 * done again.
 */
import { parentOf, rootPath } from "../../src/model/path.ts";
import type { NodeKind } from "../../src/model/request.ts";
import { ZabraError } from "../error.ts";
import { requireEqual } from "./copy.ts";
import { importFailure } from "./failure.ts";
import type { LiveSource, SourceNode } from "./live-source.ts";
import { hashOf, type NodeHash, TreeDigest } from "./node.ts";
import type { KindTable } from "./offline-tree.ts";
import type { Target } from "./target.ts";
import { SourceLost, type SourceStat } from "./zookeeper-connection.ts";

/** Nodes that are read at the same time. */
const window = 128;
/** Changes that wait; with more of them it is cheaper to scan. */
const changesMax = 200_000;
const gatherMs = 20;
const idleMs = 250;
const reconnectMs = 250;
/** Some minutes; the source may be electing. */
const reconnectsMax = 600;
const cutOverRounds = 6;
const drainsMax = 100;
/** How often in a row the target may be found to be other than it was known. */
const targetLossesMax = 5;

export type LiveProgress =
  | { readonly phase: "scanning"; readonly nodes: number; readonly written: number }
  | { readonly phase: "following"; readonly nodes: number; readonly written: number; readonly changes: number }
  | { readonly phase: "lost"; readonly reason: string };

export interface LiveImportOptions {
  readonly source: LiveSource;
  readonly target: Target;
  /** False: scan again and again, as with a source that has no recursive watches. */
  readonly watch: boolean;
  /** Milliseconds between scans then. */
  readonly rescanMs: number;
  /** Reads the kinds of nodes anew from a server's files; undefined: they are not known. */
  readonly readKinds: (() => Promise<KindTable>) | undefined;
  onProgress(progress: LiveProgress): void;
}

export interface LiveResult {
  readonly nodes: number;
  readonly digest: string;
  readonly sourceZxid: number;
  readonly targetEpoch: number;
  readonly written: number;
  readonly loweredCounters: readonly string[];
}

/** What tells whether the source's node has changed since it was copied. */
interface Seen {
  readonly czxid: number;
  readonly mzxid: number;
  readonly aversion: number;
  readonly kind: NodeKind;
  readonly ttlMs: number;
  readonly hash: NodeHash;
  childCreates: number;
  /** The last scan that found it. */
  scan: number;
}

export class LiveImport {
  readonly #options: LiveImportOptions;
  readonly #source: LiveSource;
  readonly #target: Target;
  readonly #seen = new Map<string, Seen>();
  /** Of what was seen. */
  #digest = new TreeDigest();
  #changed = new Set<string>();
  #tooMany = false;
  #scan = 0;
  #cutOver = false;
  #stopped = false;
  #wake: () => void = () => {};
  /** Changes taken since the first scan. */
  #changes = 0;

  constructor(options: LiveImportOptions) {
    this.#options = options;
    this.#source = options.source;
    this.#target = options.target;
  }

  /** For the source's `onChange`. */
  onChange(path: string): void {
    if (this.#changed.size < changesMax) this.#changed.add(path);
    else this.#tooMany = true;
    this.#wake();
  }

  /** The source is written no more: bring the target to its state, check, and end. */
  cutOver(): void {
    this.#cutOver = true;
    this.#wake();
  }

  /** Ends without a cut-over; the same import can be taken up again. */
  stop(): void {
    this.#stopped = true;
    this.#wake();
    this.#source.close();
  }

  /** Resolves after the cut-over. Rejects with ImportError. */
  async run(): Promise<LiveResult> {
    for (let losses = 0; ; losses += 1) {
      try {
        return await this.#session(() => {
          losses = 0;
        });
      } catch (error) {
        if (this.#stopped) throw importFailure("stopped before the cut-over; run the same command again to go on");
        if (isTargetChanged(error) && losses < targetLossesMax) {
          this.#options.onProgress({ phase: "lost", reason: error.message });
          await this.#forget();
          continue;
        }
        if (!(error instanceof SourceLost)) throw error;
        if (losses >= reconnectsMax) throw importFailure(`the source is gone: ${error.message}`, error);
        this.#options.onProgress({ phase: "lost", reason: error.message });
        await this.#sleep(reconnectMs);
      }
    }
  }

  async #session(onScanned: () => void): Promise<LiveResult> {
    await this.#source.connect();
    this.#requireEpoch();
    const watched = this.#options.watch && (await this.#source.watch());
    await this.#loadKinds();
    await this.#scanAll();
    onScanned();
    while (!this.#cutOver) await this.#follow(watched);
    return await this.#finish();
  }

  /** The target is not what it was thought to be: it is read again, and all of the source too. */
  async #forget(): Promise<void> {
    this.#seen.clear();
    this.#digest = new TreeDigest();
    await this.#target.flush().catch(() => {});
    await this.#target.reload();
  }

  #requireEpoch(): void {
    const epoch = Math.floor(this.#source.lastZxid / 2 ** 32);
    requireEpochAbove(this.#target.epoch, epoch);
  }

  async #loadKinds(): Promise<void> {
    if (this.#options.readKinds !== undefined) this.#source.kinds = await this.#options.readKinds();
  }

  // ---- following

  async #follow(watched: boolean): Promise<void> {
    if (!watched) {
      await this.#sleep(this.#options.rescanMs);
      if (!this.#cutOver) await this.#scanAll();
    } else {
      if (this.#changed.size === 0 && !this.#tooMany) await this.#sleep(idleMs);
      // A burst is taken as one: a node that is set often is read once.
      else await this.#takeChanges();
      if (this.#changed.size > 0) await new Promise((resolve) => setTimeout(resolve, gatherMs));
    }
    if (this.#stopped || this.#source.lost) throw new SourceLost("the connection is gone");
    const { size, written } = this.#target;
    this.#options.onProgress({ phase: "following", nodes: size, written, changes: this.#changes });
  }

  /** Until something is told, or for so long. */
  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #takeChanges(): Promise<void> {
    if (this.#tooMany) {
      this.#tooMany = false;
      this.#changed.clear();
      await this.#scanAll();
      return;
    }
    const paths = [...this.#changed].sort();
    this.#changed = new Set();
    this.#changes += paths.length;
    const found = new Map<string, SourceNode | undefined>();
    try {
      await inWindow(paths, async (path) => {
        found.set(path, await this.#source.read(path));
      });
    } catch (error) {
      // They are scanned after the reconnect; if this is the end, they are not taken.
      this.#tooMany = true;
      throw error;
    }
    // Sorted, a node comes before what is below it: gone from below, made from above.
    for (const path of paths.toReversed()) if (found.get(path) === undefined) await this.#remove(path);
    for (const path of paths) await this.#take(found.get(path));
    await this.#target.flush();
  }

  async #take(found: SourceNode | undefined): Promise<void> {
    if (found === undefined) return;
    const { path } = found.node;
    const parent = parentOf(path);
    // Its creation is told too, later; or the parent is gone again, and so is this node.
    if (parent !== undefined && !this.#target.has(parent)) {
      await this.#take(await this.#source.read(parent));
      if (!this.#target.has(parent)) return;
    }
    await this.#put(found);
  }

  async #put({ node, czxid, mzxid, aversion }: SourceNode): Promise<void> {
    const { path, kind, ttlMs, childCreates } = node;
    const hash = hashOf(node);
    await this.#target.put(node, hash);
    this.#unsee(path);
    this.#digest.add(hash);
    this.#seen.set(path, { czxid, mzxid, aversion, kind, ttlMs, hash, childCreates, scan: this.#scan });
  }

  #unsee(path: string): void {
    const seen = this.#seen.get(path);
    if (seen === undefined) return;
    this.#digest.remove(seen.hash);
    this.#seen.delete(path);
  }

  async #remove(path: string): Promise<void> {
    if (path === rootPath) throw importFailure("the source's top node is gone");
    this.#unsee(path);
    await this.#target.remove(path);
  }

  // ---- scanning

  /** Looks at every node of the source, and reads those that are new or have changed. */
  async #scanAll(): Promise<void> {
    this.#scan += 1;
    let nodes = 0;
    await inWindow([rootPath], async (path, more) => {
      const children = await this.#visit(path);
      nodes += 1;
      this.#options.onProgress({ phase: "scanning", nodes, written: this.#target.written });
      for (const child of children) more(child);
    });
    const paths = new Set([...this.#target.paths(), ...this.#seen.keys()]);
    for (const path of [...paths].sort().reverse()) {
      if (this.#seen.get(path)?.scan !== this.#scan) await this.#remove(path);
    }
    await this.#target.flush();
  }

  /** Brings the target's node up to date; gives the children, which come after it. */
  async #visit(path: string): Promise<readonly string[]> {
    const listing = await this.#source.list(path);
    if (listing === undefined) return [];
    const seen = this.#seen.get(path);
    if (seen !== undefined && this.#isSame(path, seen, listing.stat)) {
      seen.scan = this.#scan;
      seen.childCreates = listing.stat.childCreates;
      return listing.children;
    }
    const found = await this.#source.read(path);
    if (found === undefined) return [];
    await this.#put(found);
    return listing.children;
  }

  #isSame(path: string, seen: Seen, stat: SourceStat): boolean {
    if (seen.czxid !== stat.czxid || seen.mzxid !== stat.mzxid || seen.aversion !== stat.aversion) return false;
    const { kind, ttlMs } = this.#source.kindOf(path, stat.czxid);
    return seen.kind === kind && seen.ttlMs === ttlMs && this.#target.has(path);
  }

  // ---- the cut-over

  async #finish(): Promise<LiveResult> {
    await this.#source.sync();
    await this.#loadKinds();
    await this.#scanAll();
    for (let round = 1; round <= cutOverRounds; round += 1) {
      await this.#source.sync();
      await this.#drain();
      await this.#raiseCounters();
      const found = await this.#target.reload();
      await this.#source.sync();
      if (this.#changed.size > 0 || this.#tooMany) continue;
      if (`${this.#digest}` === `${found.digest}`) return this.#result();
      if (round === cutOverRounds) requireEqual(this.#digest, found.digest);
      await this.#mend();
    }
    return this.#stillWritten();
  }

  /** The target differs: it removed containers that became empty sooner than the source did; or nobody knows why. */
  async #mend(): Promise<void> {
    let missing = false;
    for (const path of this.#seen.keys()) missing ||= !this.#target.has(path);
    if (!missing) await this.#forget();
    await this.#scanAll();
  }

  /** What was told until now, and what is told while that is taken. */
  async #drain(): Promise<void> {
    for (let i = 0; i < drainsMax && (this.#changed.size > 0 || this.#tooMany); i += 1) await this.#takeChanges();
  }

  #stillWritten(): never {
    const [path] = this.#changed;
    throw importFailure(
      `the source is still written to (${path ?? "in many places"}): stop its writers, then run the same command again`,
    );
  }

  async #raiseCounters(): Promise<void> {
    for (const [path, { childCreates }] of this.#seen) {
      if (childCreates > 0) await this.#target.raiseCounter(path, childCreates);
      else if (childCreates < 0) this.#target.loweredCounters.add(path);
    }
    await this.#target.flush();
  }

  #result(): LiveResult {
    this.#requireEpoch();
    const { epoch, written, loweredCounters } = this.#target;
    return {
      nodes: this.#digest.nodes,
      digest: `${this.#digest}`,
      sourceZxid: this.#source.lastZxid,
      targetEpoch: epoch,
      written,
      loweredCounters: [...loweredCounters],
    };
  }
}

/** The target removed an empty container or a TTL node by itself: it is read again, and what is missing is copied again. */
function isTargetChanged(error: unknown): error is ZabraError {
  return error instanceof ZabraError && (error.code === "NO_NODE" || error.code === "NODE_EXISTS");
}

/** Rejects a target whose zxids, and with them its fencing tokens, would be below the source's. */
export function requireEpochAbove(target: number, source: number): void {
  if (target > source) return;
  throw importFailure(
    `the target's epoch is ${target} and the source's ${source}: zxids and fencing tokens would go backwards. Start the target anew, with empty data directories, with --found-above-epoch ${source + 1_000}`,
  );
}

/** Runs `visit` over the items, and over what it adds, so many at a time. Rejects with the first failure. */
function inWindow(items: readonly string[], visit: (item: string, more: (item: string) => void) => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const waiting = items.toReversed();
    const more = (item: string): void => {
      waiting.push(item);
    };
    let running = 0;
    let failed = false;
    const fill = (): void => {
      while (!failed && running < window && waiting.length > 0) {
        running += 1;
        visit(waiting.pop() ?? "", more).then(ended, (error: unknown) => {
          failed = true;
          reject(error);
        });
      }
      if (running === 0 && !failed) resolve();
    };
    const ended = (): void => {
      running -= 1;
      fill();
    };
    fill();
  });
}
