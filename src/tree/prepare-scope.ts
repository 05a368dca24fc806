/** What the prepare functions share: the overlay they read and change, who asks, when, and how they refuse. */
import type { Acl, AuthId } from "../model/acl.ts";
import type { ErrorCode } from "../model/error.ts";
import type { Limits } from "../model/limits.ts";
import type { SessionId } from "../model/zxid.ts";
import { fixUpAcl, isPermitted } from "./access.ts";
import { type AclTable, keyOf } from "./acl-table.ts";
import type { Outstanding } from "./outstanding.ts";
import { checkPath } from "./path-check.ts";
import type { Quotas } from "./quotas.ts";
import type { Znode } from "./store.ts";
import type { AclRef } from "./txn.ts";
import type { Moment } from "./znode.ts";

export interface PrepareScope {
  readonly overlay: Outstanding;
  readonly acls: AclTable;
  readonly quotas: Quotas;
  /** ACLs may name identities of scheme sasl. */
  readonly saslAcls: boolean;
  readonly limits: Limits;
  readonly moment: Moment;
  /** 0: the leader itself. */
  readonly session: SessionId | 0;
  readonly identities: readonly AuthId[];
}

/** An operation that is not done. It changed nothing, or its caller rolls back. */
export interface Refused {
  readonly type: "refused";
  readonly code: ErrorCode;
  readonly detail: string;
}

export function refused(code: ErrorCode, detail = ""): Refused {
  return { type: "refused", code, detail };
}

export function overLimit(name: keyof Limits, limits: Limits): Refused {
  return refused("LIMIT", `${name} is ${limits[name]}`);
}

/** Our bounds are limits; everything else that is wrong with a path is the caller's mistake. */
export function badPath(error: string): Refused {
  const bound = error.startsWith("path_bytes_max") || error.startsWith("path_depth_max");
  return refused(bound ? "LIMIT" : "BAD_ARGUMENTS", error);
}

/** The node at a path that may be nonsense: ZooKeeper looks some paths up before it checks their syntax. */
export function nodeAt(scope: PrepareScope, path: string): Znode | undefined {
  return checkPath(path, scope.limits) === undefined ? scope.overlay.get(path) : undefined;
}

export function permits(scope: PrepareScope, node: Znode, perms: number): boolean {
  return isPermitted(scope.acls.getProposed(node.acl), perms, scope.identities);
}

export function dataTooLong(data: Uint8Array | undefined, limits: Limits): boolean {
  return data !== undefined && data.length > limits.data_bytes_max;
}

/** The expected version −1 stands for any. */
export function versionMatches(expected: number, version: number): boolean {
  return expected === -1 || expected === version;
}

export function checkedAcl(scope: PrepareScope, acl: Acl): Acl | Refused {
  if (acl.length > scope.limits.acl_entries_max) return overLimit("acl_entries_max", scope.limits);
  const fixed = fixUpAcl(acl, scope.identities, scope.saslAcls);
  if (fixed === undefined) return refused("INVALID_ACL");
  return fixed.length > scope.limits.acl_entries_max ? overLimit("acl_entries_max", scope.limits) : fixed;
}

export function isRefused(value: Acl | Refused | AclRef): value is Refused {
  return "type" in value && value.type === "refused";
}

/** The id of a checked ACL; a new one is proposed with the txn. */
export function aclReference(scope: PrepareScope, acl: Acl): AclRef | Refused {
  const key = keyOf(acl);
  const id = scope.acls.find(key);
  if (id !== undefined) return { id, added: undefined };
  if (scope.acls.proposedSize >= scope.limits.acls_max) return overLimit("acls_max", scope.limits);
  return scope.acls.propose(key, acl);
}
