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
 * The cut-over reads every node of the source once more, whole, brings the target to that, and compares
 * the digest of what was read with that of the target, which is read anew. If the source was written
 * meanwhile, this is done again.
 */
import { parentOf, rootPath } from "../../src/model/path.ts";
import { ZabraError } from "../error.ts";
import { requireEqual } from "./copy.ts";
import { importFailure } from "./failure.ts";
import type { LiveSource, SourceNode } from "./live-source.ts";
import { hashOf, TreeDigest } from "./node.ts";
import type { OfflineTree } from "./offline-tree.ts";
import type { Target } from "./target.ts";
import { SourceLost } from "./zookeeper-connection.ts";

/** Nodes that are read at the same time. */
const window = 128;
/** Changes that wait; with more of them it is cheaper to scan. */
const changesMax = 200_000;
const gatherMs = 20;
const idleMs = 250;
const reconnectMs = 250;
/** Some minutes; the source may be electing. */
const reconnectsMax = 600;
const cutOverRounds = 3;
/** How often in a row the target may be found to be other than it was known. */
const targetLossesMax = 5;

export type LiveProgress =
  | { readonly phase: "scanning" | "checking"; readonly nodes: number; readonly written: number }
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
  readonly readKinds: (() => Promise<OfflineTree>) | undefined;
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
  czxid: number;
  mzxid: number;
  aversion: number;
  childCreates: number;
  scan: number;
}

export class LiveImport {
  readonly #options: LiveImportOptions;
  readonly #source: LiveSource;
  readonly #target: Target;
  readonly #seen = new Map<string, Seen>();
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
          await this.#target.reload();
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
    await this.#scanAll(false);
    onScanned();
    while (!this.#cutOver) await this.#follow(watched);
    return await this.#finish();
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
      if (!this.#cutOver) await this.#scanAll(false);
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
      await this.#scanAll(false);
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
    await this.#target.put(found.node);
    this.#note(found, this.#scan);
  }

  #note({ node, czxid, mzxid, aversion }: SourceNode, scan: number): void {
    this.#seen.set(node.path, { czxid, mzxid, aversion, childCreates: node.childCreates, scan });
  }

  async #remove(path: string): Promise<void> {
    this.#seen.delete(path);
    if (path === rootPath) throw importFailure("the source's top node is gone");
    await this.#target.remove(path);
  }

  // ---- scanning

  /** Looks at every node of the source. `whole`: reads each, instead of those that changed. Resolves to the digest of those read. */
  async #scanAll(whole: boolean): Promise<TreeDigest> {
    this.#scan += 1;
    const digest = new TreeDigest();
    let nodes = 0;
    const phase = whole ? "checking" : "scanning";
    await inWindow([rootPath], async (path, more) => {
      const children = await this.#visit(path, whole ? digest : undefined);
      nodes += 1;
      this.#options.onProgress({ phase, nodes, written: this.#target.written });
      for (const child of children) more(child);
    });
    for (const path of [...this.#target.paths()].sort().reverse()) {
      if (this.#seen.get(path)?.scan !== this.#scan) await this.#remove(path);
    }
    await this.#target.flush();
    return digest;
  }

  /** Brings the target's node up to date; gives the children, which come after it. */
  async #visit(path: string, digest: TreeDigest | undefined): Promise<readonly string[]> {
    const listing = await this.#source.list(path);
    if (listing === undefined) return [];
    const { stat } = listing;
    const seen = this.#seen.get(path);
    const same = seen !== undefined && seen.czxid === stat.czxid && seen.mzxid === stat.mzxid && seen.aversion === stat.aversion;
    if (same && digest === undefined && this.#target.has(path)) {
      seen.scan = this.#scan;
      seen.childCreates = stat.childCreates;
      return listing.children;
    }
    const found = await this.#source.read(path);
    if (found === undefined) return [];
    await this.#target.put(found.node);
    this.#note(found, this.#scan);
    digest?.add(hashOf(found.node));
    return listing.children;
  }

  // ---- the cut-over

  async #finish(): Promise<LiveResult> {
    for (let round = 1; ; round += 1) {
      await this.#source.sync();
      this.#changed.clear();
      this.#tooMany = false;
      await this.#loadKinds();
      const digest = await this.#scanAll(true);
      await this.#raiseCounters();
      const found = await this.#target.reload();
      const quiet = this.#changed.size === 0 && !this.#tooMany;
      if (quiet || round === cutOverRounds) {
        if (!quiet) this.#stillWritten();
        requireEqual(digest, found.digest);
        return this.#result(digest);
      }
    }
  }

  #stillWritten(): void {
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

  #result(digest: TreeDigest): LiveResult {
    this.#requireEpoch();
    const { epoch, written, loweredCounters } = this.#target;
    return {
      nodes: digest.nodes,
      digest: `${digest}`,
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
