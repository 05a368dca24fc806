/** Permissions and identities, ZooKeeper's: an ACL is per node and not inherited. */

export const permission = { read: 1, write: 2, create: 4, delete: 8, admin: 16, all: 31 } as const;

/** A scheme (`world`, `auth`, `digest`, `ip`, or `super` inside the server) and an id within it. */
export interface AuthId {
  readonly scheme: string;
  readonly id: string;
}

export interface AclEntry extends AuthId {
  /** Bit set of {@link permission}. */
  readonly perms: number;
}

export type Acl = readonly AclEntry[];

export const openAcl: Acl = [{ perms: permission.all, scheme: "world", id: "anyone" }];
export const readOnlyAcl: Acl = [{ perms: permission.read, scheme: "world", id: "anyone" }];
/** Everything for whoever is authenticated on the creating connection. */
export const creatorAcl: Acl = [{ perms: permission.all, scheme: "auth", id: "" }];
