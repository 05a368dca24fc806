/** Runs cases against a server and gathers their transcripts. */
import type { Case } from "./cases/case.ts";
import { create } from "./operations.ts";
import { Scene } from "./scene.ts";

/** A case's transcript, by its name. */
export type Transcripts = Readonly<Record<string, readonly string[]>>;

interface Numbered {
  readonly each: Case;
  /** The path of its own node. */
  readonly base: string;
}

/**
 * `addresses`: HOST:PORT of each server of one ensemble. `lanes`: cases at a time; those that are slow wait
 * for timers most of the time and run all at once.
 */
export async function runCases(addresses: readonly string[], cases: readonly Case[], lanes: number): Promise<Transcripts> {
  const transcripts = new Map<string, readonly string[]>();
  const numbered = cases.map((each, i) => ({ each, base: `/case-${String(i).padStart(4, "0")}` }));
  const perform = async (chosen: readonly Numbered[], width: number): Promise<void> => {
    const queue = [...chosen];
    const lane = async (): Promise<void> => {
      const maker = await Maker.open(addresses);
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        await maker.make(next.base);
        transcripts.set(next.each.name, await runCase(addresses, next));
      }
      await maker.close();
    };
    await Promise.all(Array.from({ length: width }, lane));
  };
  const quick = numbered.filter(({ each }) => each.slow !== true);
  const slow = numbered.filter(({ each }) => each.slow === true);
  // One after the other where a zxid between two of a case's own would be told.
  if (lanes === 1) await perform(quick, 1);
  await Promise.all([perform(slow, slow.length), lanes === 1 ? undefined : perform(quick, lanes)]);
  return Object.fromEntries(cases.map(({ name }) => [name, transcripts.get(name) ?? []]));
}

async function runCase(addresses: readonly string[], { each, base }: Numbered): Promise<readonly string[]> {
  const scene = new Scene(addresses, base);
  await each.run(scene, base);
  return scene.end();
}

/** Makes the nodes that the cases begin with. */
class Maker {
  readonly #scene: Scene;
  readonly #client: Awaited<ReturnType<Scene["client"]>>;

  private constructor(scene: Scene, client: Awaited<ReturnType<Scene["client"]>>) {
    this.#scene = scene;
    this.#client = client;
  }

  static async open(addresses: readonly string[]): Promise<Maker> {
    const scene = new Scene(addresses, "/");
    const client = await scene.client("maker");
    if (client.ended) throw new Error(`no session at ${addresses[0]}`);
    return new Maker(scene, client);
  }

  async make(path: string): Promise<void> {
    await this.#client.quietly(create(path));
    const [problem] = this.#scene.transcript();
    if (problem !== undefined) throw new Error(problem);
  }

  async close(): Promise<void> {
    await this.#scene.end();
  }
}
