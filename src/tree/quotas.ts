/**
 * The quotas in force, and whether a write keeps them. Derived from the limits nodes of the committed tree,
 * and at prepare from those that are outstanding; usage comes from counters that every node keeps of what is
 * below it, so a quota costs nothing to begin and a check costs one look a level of the path. Only the
 * longest prefix with a quota counts, as in ZooKeeper; unlike there the usage of an outer quota includes an
 * inner one's.
 */
import { joinPath, parentOf, rootPath } from "../model/path.ts";
import { limitedPath, limitsPathOf, parseQuota, type Quota, quotaRoot } from "../model/quota.ts";
import { type PrepareScope, type Refused, refused } from "./prepare-scope.ts";
import type { Store, Znode } from "./store.ts";

/** How often a soft limit is told of again, in cluster time. */
const tellAgainMs = 60_000;
/** A limits node larger than this is nonsense. */
const textBytesMax = 1_024;

export class Quotas {
  readonly #byPath = new Map<string, Quota>();
  /** When a quota's soft limit was told of last. */
  readonly #toldMs = new Map<string, number>();
  #warnings: string[] = [];

  constructor(store: Store) {
    this.#load(store, quotaRoot);
  }

  get empty(): boolean {
    return this.#byPath.size === 0;
  }

  get(path: string): Quota | undefined {
    return this.#byPath.get(path);
  }

  /** A node below the quota root was put, or removed (undefined). */
  changed(path: string, node: Znode | undefined): void {
    const limited = limitedPath(path);
    if (limited === undefined) return;
    if (node !== undefined) this.#byPath.set(limited, quotaOf(node));
    else if (this.#byPath.delete(limited)) this.#toldMs.delete(limited);
  }

  /** A soft limit is passed; told once in a while. */
  warn(path: string, detail: string, stampMs: number): void {
    const told = this.#toldMs.get(path);
    if (told !== undefined && stampMs - told < tellAgainMs) return;
    this.#toldMs.set(path, stampMs);
    this.#warnings.push(`the quota of ${path} is passed: ${detail}`);
  }

  takeWarnings(): readonly string[] {
    const warnings = this.#warnings;
    if (warnings.length > 0) this.#warnings = [];
    return warnings;
  }

  #load(store: Store, path: string): void {
    const node = store.get(path);
    if (node === undefined) return;
    this.changed(path, node);
    for (const name of store.children(path, "", Number.MAX_SAFE_INTEGER)) this.#load(store, joinPath(path, name));
  }
}

export function quotaOf(node: Znode): Quota {
  const { data } = node;
  return parseQuota(data === undefined || data.length > textBytesMax ? "" : String.fromCharCode(...data));
}

/** QUOTA_EXCEEDED when the nodes or bytes that a write adds pass a hard limit; what takes away always may. */
export function quotaError(scope: PrepareScope, path: string, count: number, bytes: number): Refused | undefined {
  if (count <= 0 && bytes <= 0) return undefined;
  if (scope.quotas.empty && !scope.overlay.touchesQuotas) return undefined;
  for (let at: string | undefined = path; at !== undefined && at !== rootPath; at = parentOf(at)) {
    const quota = quotaAt(scope, at);
    if (quota !== undefined) return checkQuota(scope, at, quota, count, bytes);
  }
  return undefined;
}

function quotaAt(scope: PrepareScope, path: string): Quota | undefined {
  if (!scope.overlay.touchesQuotas) return scope.quotas.get(path);
  const node = scope.overlay.get(limitsPathOf(path));
  return node === undefined ? undefined : quotaOf(node);
}

function checkQuota(scope: PrepareScope, path: string, quota: Quota, count: number, bytes: number): Refused | undefined {
  const usage = scope.overlay.usage(path);
  const nodes = usage.count + count;
  const size = usage.bytes + bytes;
  if (count > 0 && passes(nodes, quota.countHardLimit)) return exceeded(path, "countHardLimit", quota.countHardLimit);
  if (bytes > 0 && passes(size, quota.byteHardLimit)) return exceeded(path, "byteHardLimit", quota.byteHardLimit);
  // A hard limit stands for the soft one of its kind, as in ZooKeeper.
  if (count > 0 && quota.countHardLimit < 0 && passes(nodes, quota.count))
    warn(scope, path, `count ${nodes}, limit ${quota.count}`);
  if (bytes > 0 && quota.byteHardLimit < 0 && passes(size, quota.bytes)) warn(scope, path, `bytes ${size}, limit ${quota.bytes}`);
  return undefined;
}

function passes(value: number, limit: number): boolean {
  return limit >= 0 && value > limit;
}

function exceeded(path: string, which: string, limit: number): Refused {
  return refused("QUOTA_EXCEEDED", `${which} of ${path} is ${limit}`);
}

function warn(scope: PrepareScope, path: string, detail: string): void {
  scope.quotas.warn(path, detail, scope.moment.stampMs);
}
