/**
 * What a fault is: it strikes the stage on which real servers stand, and when it is over it says whether it bit, because a fault that
 * nobody noticed tests nothing. One family of faults a file; `catalogue.ts` has them all.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { LinkProxy } from "../../support/link-proxy.ts";
import type { Random } from "../../support/random.ts";
import type { Network } from "../network.ts";
import type { ProcessEnsemble } from "../process-ensemble.ts";
import type { DiskShim } from "../shim/disk-shim.ts";
import type { FakeClocks } from "../shim/fake-clocks.ts";
import type { SmallDisks } from "../shim/small-disks.ts";

export interface Stage {
  readonly servers: ProcessEnsemble;
  readonly network: Network;
  /** Between clients and server `i + 1`. */
  readonly doors: readonly LinkProxy[];
  /** A sentence: why there is none. */
  readonly disks: DiskShim | string;
  readonly clocks: FakeClocks | string;
  readonly smallDisks: SmallDisks | string;
  readonly random: Random;
  /** Servers whose process is in a fault's hands. */
  readonly taken: Set<number>;
  /** No other fault is at work: what it does to the ensemble can be foretold. */
  readonly alone: boolean;
}

export interface Struck {
  /** Whom it struck, for the record. */
  readonly what: string;
  /** How many processes; undefined: it is not about processes. */
  readonly victims?: number;
  /** Undoes it. Resolves to undefined, or to what should have happened and did not. */
  end(): Promise<string | undefined>;
}

export interface Fault {
  readonly name: string;
  readonly kind: "kill" | "pause" | "partition" | "link" | "disk" | "clock" | "failpoint";
  /** undefined: nobody was there to be struck. */
  strike(stage: Stage): Promise<Struck | undefined>;
  /** Bites only when the log has let go of its beginning. */
  readonly longHistory?: boolean;
  /** Takes preparations that change all others: played only when its name is given. */
  readonly byNameOnly?: boolean;
  /** Why it cannot be had on this stage; undefined: it can. */
  missing?(stage: Stage): string | undefined;
}

/** A fault that nobody notices for so long has not bitten. */
const biteMs = 20_000;

/** Resolves to undefined once `holds`, else to the problem. */
export async function within(problem: string, holds: () => Promise<boolean> | boolean): Promise<string | undefined> {
  const endMs = performance.now() + biteMs;
  while (performance.now() < endMs) {
    if (await holds()) return undefined;
    await delay(20);
  }
  return problem;
}

/** Servers that nothing has been done to, in random order. */
export function free(stage: Stage): number[] {
  return shuffled(
    stage.random,
    stage.network.ids.filter((id) => !stage.taken.has(id)),
  );
}

export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const left = [...items];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(random.below(left.length), 1));
  return order;
}

/** The leader, if there is one now. */
export async function leaderNow(stage: Stage): Promise<number | undefined> {
  const all = await Promise.all(stage.network.ids.map((id) => quickStatus(stage, id)));
  return all.find((status) => status?.role === "leading")?.id;
}

async function quickStatus(stage: Stage, id: number): ReturnType<ProcessEnsemble["status"]> {
  if (stage.taken.has(id) || stage.servers.pid(id) === 0) return undefined;
  return stage.servers.status(id);
}

/** Another than `old` leads. */
export function anotherLeads(stage: Stage, old: number): Promise<string | undefined> {
  return within(`nobody leads in place of server ${old}`, async () => {
    for (const id of stage.network.ids) if (id !== old && (await quickStatus(stage, id))?.role === "leading") return true;
    return false;
  });
}
