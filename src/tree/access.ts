/**
 * Who may do what: ZooKeeper's ACL check, and the fix-up that an ACL goes through before it is
 * stored (`auth` becomes the identities of the connection, repeated entries go, the rest is
 * validated). Schemes: world, auth, digest, sasl, ip (with /bits, v4 and v6); an identity of scheme
 * `super` may do everything. Pure functions.
 */
import { type Acl, type AclEntry, type AuthId, permission } from "../model/acl.ts";
import { parseIpRange, withinIpRange } from "./ip-address.ts";

const anyone: AuthId = { scheme: "world", id: "anyone" };

/** True when some entry grants one of `perms` to one of the identities. An empty ACL grants all. */
export function isPermitted(acl: Acl, perms: number, identities: readonly AuthId[]): boolean {
  if (acl.length === 0) return true;
  for (let i = 0; i < acl.length; i += 1) {
    const entry = acl[i];
    if (entry !== undefined && (entry.perms & perms) !== 0 && matchesAny(entry, identities)) return true;
  }
  return isSuper(identities);
}

function isSuper(identities: readonly AuthId[]): boolean {
  for (const identity of identities) if (identity.scheme === "super") return true;
  return false;
}

function matchesAny(entry: AclEntry, identities: readonly AuthId[]): boolean {
  if (entry.scheme === "world") return entry.id === "anyone";
  for (const identity of identities) if (matches(entry, identity)) return true;
  return false;
}

function matches(entry: AclEntry, identity: AuthId): boolean {
  if (entry.scheme !== identity.scheme) return false;
  if (entry.scheme === "ip") return withinIpRange(identity.id, entry.id);
  return entry.id === identity.id;
}

/** The ACL as it is stored; undefined when it is not valid (ZooKeeper's INVALID_ACL). `sasl`: the scheme is set up here. */
export function fixUpAcl(acl: Acl, identities: readonly AuthId[], sasl = false): Acl | undefined {
  const fixed: AclEntry[] = [];
  for (const entry of acl) {
    if (!isPermissionSet(entry.perms)) return undefined;
    if (entry.scheme === "auth") {
      if (!expandAuth(entry, identities, fixed)) return undefined;
    } else if (isValidId(entry, sasl)) addOnce(fixed, entry);
    else return undefined;
  }
  return fixed.length === 0 ? undefined : fixed;
}

function isPermissionSet(perms: number): boolean {
  return Number.isInteger(perms) && perms >= 0 && perms <= permission.all;
}

/** Adds an entry for every identity that authenticated; false when there is none. `world` and `ip` come with any connection and prove nothing. */
function expandAuth(entry: AclEntry, identities: readonly AuthId[], fixed: AclEntry[]): boolean {
  let found = false;
  for (const identity of identities) {
    if (identity.scheme === "world" || identity.scheme === "ip" || identity.scheme === "super") continue;
    addOnce(fixed, { perms: entry.perms, scheme: identity.scheme, id: identity.id });
    found = true;
  }
  return found;
}

function addOnce(fixed: AclEntry[], entry: AclEntry): void {
  for (const other of fixed) {
    if (other.perms === entry.perms && other.scheme === entry.scheme && other.id === entry.id) return;
  }
  fixed.push({ perms: entry.perms, scheme: entry.scheme, id: entry.id });
}

function isValidId(entry: AclEntry, sasl: boolean): boolean {
  switch (entry.scheme) {
    case anyone.scheme:
      return entry.id === anyone.id;
    case "digest":
      return isDigestId(entry.id);
    case "sasl":
      return sasl && entry.id !== "";
    case "ip":
      return parseIpRange(entry.id) !== undefined;
    default:
      return false;
  }
}

/** `user:hash`, exactly one colon. */
function isDigestId(id: string): boolean {
  const colon = id.indexOf(":");
  return colon >= 0 && colon < id.length - 1 && id.indexOf(":", colon + 1) < 0;
}

/** The ACL as somebody without ADMIN sees it: the hashes of digest ids are hidden. */
export function maskedAcl(acl: Acl): Acl {
  return acl.map((entry) =>
    entry.scheme === "digest" ? { ...entry, id: `${entry.id.slice(0, entry.id.indexOf(":"))}:x` } : entry,
  );
}
