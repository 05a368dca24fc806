/** Runs cases against a server and gathers their transcripts. */
import type { Case } from "./cases/case.ts";
import { create } from "./operations.ts";
import { Scene } from "./scene.ts";

/** A case's transcript, by its name. */
export type Transcripts = Readonly<Record<string, readonly string[]>>;

/**
 * `addresses`: HOST:PORT of each server of one ensemble. `lanes`: cases at a time; those that are slow wait
 * for timers most of the time and run all at once, at the end.
 */
export async function runCases(addresses: readonly string[], cases: readonly Case[], lanes: number): Promise<Transcripts> {
  const transcripts = new Map<string, readonly string[]>();
  const waiting = cases.map((each, i) => ({ each, base: `/case-${String(i).padStart(4, "0")}` }));
  const perform = async (chosen: typeof waiting, width: number): Promise<void> => {
    const queue = [...chosen];
    const lane = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        if (process.env.V) console.log(next.each.name);
        transcripts.set(next.each.name, await runCase(addresses, next.each, next.base));
      }
    };
    await Promise.all(Array.from({ length: width }, lane));
  };
  const quick = waiting.filter(({ each }) => each.slow !== true);
  const slow = waiting.filter(({ each }) => each.slow === true);
  await perform(quick, lanes);
  await perform(slow, slow.length);
  return Object.fromEntries(cases.map(({ name }) => [name, transcripts.get(name) ?? []]));
}

async function runCase(addresses: readonly string[], one: Case, base: string): Promise<readonly string[]> {
  const scene = new Scene(addresses, base);
  const maker = await scene.client("maker");
  if (maker.ended) throw new Error(`no session at ${addresses[0]} for "${one.name}"`);
  await maker.quietly(create(base));
  await one.run(scene, base);
  return scene.end();
}
