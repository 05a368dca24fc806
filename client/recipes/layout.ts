/**
 * Names of nodes that recipes make: our own, Curator's, or kazoo's, so that a fleet can move over with both at work on one lock. Whatever it
 * makes, a recipe counts the nodes of all three. Order is by czxid, which is the order of their sequence numbers too.
 */
import { joinPath } from "../../src/model/path.ts";
import type { Client } from "../client.ts";
import { ZabraError } from "../error.ts";

/** Whose nodes are made. Default `zabra`. */
export type Layout = "zabra" | "curator" | "kazoo";

export type Role = "lock" | "latch" | "read" | "write" | "lease";

const names: { readonly [Name in Layout]: { readonly [R in Role]: string } } = {
  zabra: { lock: "lock-", latch: "latch-", read: "read-", write: "write-", lease: "lease-" },
  curator: { lock: "lock-", latch: "latch-", read: "__READ__", write: "__WRIT__", lease: "lease-" },
  kazoo: { lock: "__lock__", latch: "__lock__", read: "__rlock__", write: "__lock__", lease: "" },
};

const suffix = "-?\\d{10}$";
export const lockNames = new RegExp(`(?:lock-|__lock__)${suffix}`);
export const latchNames = new RegExp(`(?:latch-|__lock__)${suffix}`);
export const readNames = new RegExp(`(?:^read-|__READ__|__rlock__)${suffix}`);
export const writeNames = new RegExp(`(?:^write-|__WRIT__|__lock__)${suffix}`);

export function requireLayout(layout: Layout): void {
  if (!(layout in names))
    throw new ZabraError("BAD_ARGUMENTS", { detail: `layout must be zabra, curator or kazoo, not ${layout}` });
}

/** How the name of a node begins. The others find their own nodes again by what comes first; a czxid does that for us, so the session will do. */
export function prefixOf(layout: Layout, role: Role, client: Client): string {
  const name = names[layout][role];
  if (layout === "zabra") return name;
  const hex = (client.session?.id ?? 0).toString(16).padStart(32, "0");
  if (layout === "kazoo") return `${hex}${name}`;
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  return `_c_${uuid}-${name}`;
}

/** Where a semaphore at `path` has its leases, and the queue of those who want one. */
export function semaphorePaths(layout: Layout, path: string): { readonly leases: string; readonly gate: string } {
  if (layout === "kazoo") return { leases: path, gate: `${path}-__lock__` };
  return { leases: joinPath(path, "leases"), gate: joinPath(path, "locks") };
}
