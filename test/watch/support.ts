/** What the tests of watches and streams share: a repeatable random source and short makers. */
import type { Change, ChangeType } from "../../src/model/watch.ts";
import type { Zxid } from "../../src/model/zxid.ts";

export function zx(value: number): Zxid {
  return value as Zxid;
}

export function change(type: ChangeType, path: string, zxid: number, acl = 1): Change {
  return { type, path, zxid: zx(zxid), acl, stat: undefined, data: undefined };
}
