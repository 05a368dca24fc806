/** What the store tests share: random znodes, and a naive store to compare with. */
import type { NodeKind } from "../../src/model/request.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import type { Znode } from "../../src/tree/store.ts";
import type { Random } from "../sim/random.ts";

const kinds: readonly NodeKind[] = ["persistent", "ephemeral", "container", "ttl"];
const safeMax = Number.MAX_SAFE_INTEGER;

export function plainNode(zxid: number, data?: Uint8Array): Znode {
  const stamp = zxid as Zxid;
  return {
    data,
    acl: 1,
    kind: "persistent",
    owner: 0,
    ttlMs: 0,
    czxid: stamp,
    mzxid: stamp,
    pzxid: stamp,
    ctimeMs: 1_700_000_000_000,
    mtimeMs: 1_700_000_000_000,
    stampMs: 12,
    version: 0,
    aversion: 0,
    childCreates: 0,
    numChildren: 0,
    descendants: 0,
    bytesBelow: 0,
    hashHigh: zxid | 0,
    hashLow: ~zxid,
  };
}

export function randomNode(random: Random): Znode {
  const safe = (): number => random.pick([0, 1, 255, 0xffff_ffff, 0x1_0000_0000, safeMax, random.below(safeMax)]);
  const small = (): number => random.pick([0, 0, 1, 63, 64, 127, 128, 0x7fff_ffff, random.below(1_000_000)]);
  const signed = (): number => random.pick([0, 0, 1, -1, -128, 0x7fff_ffff, -0x8000_0000]);
  const czxid = safe() as Zxid;
  const ctimeMs = safe();
  return {
    data: random.chance(0.2) ? undefined : randomBytes(random, random.pick([0, 1, 20, 100, 3_000])),
    acl: small(),
    kind: random.pick(kinds),
    owner: random.chance(0.5) ? 0 : (safe() as SessionId),
    ttlMs: random.chance(0.5) ? 0 : safe(),
    czxid,
    mzxid: random.chance(0.5) ? czxid : (safe() as Zxid),
    pzxid: random.chance(0.5) ? czxid : (safe() as Zxid),
    ctimeMs,
    mtimeMs: random.chance(0.5) ? ctimeMs : safe(),
    stampMs: safe(),
    version: signed(),
    aversion: signed(),
    childCreates: signed(),
    numChildren: small(),
    descendants: small(),
    bytesBelow: small(),
    hashHigh: random.next() | 0,
    hashLow: random.next() | 0,
  };
}

export function randomBytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}

/** The store as a child would write it. */
export class NaiveStore {
  nodes = new Map<string, Znode>();
  records = new Map<string, Uint8Array>();
  zxid = 0;

  copy(): NaiveStore {
    const copy = new NaiveStore();
    copy.nodes = new Map(this.nodes);
    copy.records = new Map(this.records);
    copy.zxid = this.zxid;
    return copy;
  }

  children(parent: string, after: string, limit: number): string[] {
    const prefix = parent === "/" ? "/" : `${parent}/`;
    const names = [...this.nodes.keys()].filter(
      (path) => path !== "/" && path.startsWith(prefix) && !path.slice(prefix.length).includes("/"),
    );
    return names
      .map((path) => path.slice(prefix.length))
      .filter((name) => name > after)
      .sort()
      .slice(0, limit);
  }

  recordsOf(prefix: string): [string, Uint8Array][] {
    return [...this.records].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
  }
}
