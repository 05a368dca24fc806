/**
 * One page of a list: the nodes under a path in tree order (a node before what is below it, siblings
 * by name), from after a given path on. Resuming costs no more than starting: the walk goes straight
 * to the place. Nodes without READ are left out, with all below them. A page ends at its number of
 * entries, at half a frame of bytes, or after many nodes that were left out; so it may be short, or
 * even empty, and yet not the last.
 */
import { type AuthId, permission } from "../model/acl.ts";
import type { Limits } from "../model/limits.ts";
import { isWithin, joinPath, pathError, rootPath } from "../model/path.ts";
import type { ListEntry, ListRequest, NodeDetails } from "../model/request.ts";
import { isPermitted, maskedAcl } from "./access.ts";
import type { AclTable } from "./acl-table.ts";
import type { Store, Znode } from "./store.ts";
import { statOf } from "./znode.ts";

export type ListView = Pick<Store, "get" | "children">;

export interface ListPage {
  readonly entries: readonly ListEntry[];
  /** The last path looked at when more may follow; undefined on the last page. */
  readonly after: string | undefined;
}

const entryOverheadBytes = 120;
const aclOverheadBytes = 12;
const chunkMax = 512;

/** `after`: where the page before ended; undefined for the first page. */
export function listPage(
  view: ListView,
  request: ListRequest,
  after: string | undefined,
  acls: AclTable,
  limits: Limits,
  identities: readonly AuthId[],
): ListPage {
  const start = walkStart(request, limits);
  if (start === undefined) return { entries: [], after: undefined };
  const walk = new ListWalk(view, request, start.prefix, acls, limits, identities);
  if (!walk.mayEnter(request.path, start.path)) return { entries: [], after: undefined };
  const done = walk.under(start.path, resumeNames(start.path, after), 0);
  return { entries: walk.entries, after: done ? undefined : walk.last };
}

/** The deepest node that all wanted paths are below, and the prefix of names there. A recursive prefix may span components. */
function walkStart(request: ListRequest, limits: Limits): { readonly path: string; readonly prefix: string } | undefined {
  const slash = request.prefix.lastIndexOf("/");
  if (slash < 0) return { path: request.path, prefix: request.prefix };
  if (!request.recursive) return undefined;
  const path = joinPath(request.path, request.prefix.slice(0, slash));
  return pathError(path, limits) === undefined ? { path, prefix: request.prefix.slice(slash + 1) } : undefined;
}

/** Components of `after` below `base`; none when the walk starts at the beginning. */
function resumeNames(base: string, after: string | undefined): readonly string[] {
  if (after === undefined || after === base || !isWithin(after, base)) return [];
  return after.slice(base === rootPath ? 1 : base.length + 1).split("/");
}

class ListWalk {
  readonly entries: ListEntry[] = [];
  last: string | undefined;
  readonly #view: ListView;
  readonly #request: ListRequest;
  readonly #prefix: string;
  readonly #acls: AclTable;
  readonly #identities: readonly AuthId[];
  readonly #limits: Limits;
  #bytes = 0;
  #lookedAt = 0;

  constructor(
    view: ListView,
    request: ListRequest,
    prefix: string,
    acls: AclTable,
    limits: Limits,
    identities: readonly AuthId[],
  ) {
    this.#view = view;
    this.#request = request;
    this.#prefix = prefix;
    this.#acls = acls;
    this.#identities = identities;
    this.#limits = limits;
  }

  /** True when every node from below `from` down to `to` exists and may be read. */
  mayEnter(from: string, to: string): boolean {
    for (let end = to.length; end > from.length; end = to.lastIndexOf("/", end - 1)) {
      const node = this.#view.get(to.slice(0, end));
      if (node === undefined || !this.#isReadable(node)) return false;
    }
    return true;
  }

  /** Visits what is below `parent` after the place that `resume` names from `level` on. False when the page is full. */
  under(parent: string, resume: readonly string[], level: number): boolean {
    const from = resume[level];
    if (from !== undefined && this.#request.recursive && !this.#inside(joinPath(parent, from), resume, level + 1)) return false;
    const prefix = level === 0 ? this.#prefix : "";
    let after = from ?? "";
    if (from === undefined && prefix !== "") {
      // Names are sought *after* a name, so the one that equals the prefix is looked up by itself.
      const path = joinPath(parent, prefix);
      if (pathError(path, this.#limits) === undefined && !this.#visit(path, level)) return false;
      after = prefix;
    }
    return this.#siblings(parent, after, prefix, level);
  }

  #siblings(parent: string, start: string, prefix: string, level: number): boolean {
    let after = start;
    for (;;) {
      const limit = Math.min(chunkMax, this.#request.limit - this.entries.length + 1);
      const names = this.#view.children(parent, after, limit);
      for (const name of names) {
        if (!name.startsWith(prefix)) return true;
        if (!this.#visit(joinPath(parent, name), level)) return false;
      }
      if (names.length < limit) return true;
      after = names.at(-1) ?? after;
    }
  }

  /** Takes the node at `path` and what is below it. */
  #visit(path: string, level: number): boolean {
    const node = this.#view.get(path);
    if (node === undefined) return true;
    if (this.#isFull()) return false;
    this.last = path;
    this.#lookedAt += 1;
    if (!this.#isReadable(node)) return true;
    this.#take(path, node);
    return !this.#request.recursive || node.numChildren === 0 || this.under(path, [], level + 1);
  }

  /** Goes on below a node that an earlier page showed. */
  #inside(path: string, resume: readonly string[], level: number): boolean {
    const node = this.#view.get(path);
    if (node === undefined || !this.#isReadable(node)) return true;
    return this.under(path, resume, level);
  }

  #take(path: string, node: Znode): void {
    const data = this.#request.withData ? node.data : undefined;
    if (this.#request.withDetails === true) {
      const details = this.#details(node);
      this.entries.push({ path, stat: statOf(node), data, details });
      for (const entry of details.acl) this.#bytes += entry.scheme.length + entry.id.length + aclOverheadBytes;
    } else this.entries.push({ path, stat: statOf(node), data });
    this.#bytes += entryOverheadBytes + path.length + (data === undefined ? 0 : data.length);
  }

  #details({ kind, ttlMs, acl: aclId, childCreates }: Znode): NodeDetails {
    const acl = this.#acls.get(aclId);
    const whole = isPermitted(acl, permission.admin, this.#identities);
    return { kind, ttlMs, acl: whole ? acl : maskedAcl(acl), childCreates };
  }

  #isFull(): boolean {
    const { frame_bytes_max, list_page_max } = this.#limits;
    return (
      this.entries.length >= Math.min(this.#request.limit, list_page_max) ||
      this.#bytes >= frame_bytes_max / 2 ||
      this.#lookedAt >= list_page_max * 2
    );
  }

  #isReadable(node: Znode): boolean {
    return isPermitted(this.#acls.get(node.acl), permission.read, this.#identities);
  }
}
