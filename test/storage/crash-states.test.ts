/**
 * A power cut between any two file operations of a short life, and every state that it may leave: the server must find
 * all that it was told is durable, nothing that was never there, and must never call a mere crash damage.
 */
import t from "tap";
import { crc32c } from "../../src/model/crc32c.ts";
import { crashStates, type State } from "./crash-states.ts";
import { Life } from "./life.ts";
import { type Lie, replaceNodeFs, use, VirtualFs } from "./virtual-fs.ts";

replaceNodeFs();
const { NodeDisk } = await import("../../server/disk.ts");

t.setTimeout(900_000);

/** A second power cut during what follows the first: after each of so many states; `npm run storage` takes all. */
const secondCutOf = process.env["ZABRA_EVERY_BIT"] === "1" ? 1 : 10;

interface Explored {
  readonly steps: number;
  readonly states: number;
  /** Told apart by files and by what was promised then. */
  readonly distinct: number;
  /** The first thing that was wrong, "" when nothing was. */
  readonly problem: string;
  /** The different file systems found, to go on from. */
  readonly left: ReadonlyMap<string, State>;
}

/** Plays a life; after each step of it, every state that a power cut would leave there. */
async function explore(virtual: VirtualFs, play: (life: Life) => Promise<void>): Promise<Explored> {
  use(virtual);
  const found = { states: 0, problem: "" };
  const seen = new Set<string>();
  const left = new Map<string, State>();
  const life = new Life(virtual, (directory, inbox) => new NodeDisk(directory, inbox));
  virtual.onStep = () => {
    if (found.problem !== "") return;
    for (const state of crashStates(virtual)) {
      found.states += 1;
      const hash = hashOf(state);
      if (!left.has(hash)) left.set(hash, state);
      const key = `${life.promised} ${hash}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const problem = life.judge(state);
      if (problem !== "") found.problem ||= `step ${virtual.steps}: ${problem}`;
    }
  };
  await play(life);
  virtual.onStep = () => {};
  await life.close();
  return { steps: virtual.steps, states: found.states, distinct: seen.size, problem: found.problem, left };
}

function first(lie: Lie): Promise<Explored> {
  const virtual = new VirtualFs();
  virtual.lie = lie;
  return explore(virtual, (life) => life.play());
}

function hashOf(state: State): string {
  let key = "";
  for (const [path, content] of state) key += `${path} ${content === "directory" ? "" : `${content.length} ${crc32c(content)}`};`;
  return key;
}

t.test("every crash state between the file operations of a life, and of what a server does then", async (t) => {
  const { left, ...once } = await first("none");
  t.equal(once.problem, "");
  t.ok(once.steps > 250 && once.distinct > 300, JSON.stringify(once));
  const twice = { steps: 0, states: 0, distinct: 0 };
  let index = 0;
  for (const state of left.values()) {
    index += 1;
    if (index % secondCutOf !== 0) continue;
    const again = await explore(VirtualFs.of(state), (life) => life.resume());
    if (again.problem !== "") return void t.fail(`state ${index}, then ${again.problem}`);
    twice.steps += again.steps;
    twice.states += again.states;
    twice.distinct += again.distinct;
  }
  t.ok(twice.distinct > 800, `of ${left.size} file systems, every ${secondCutOf}: ${JSON.stringify(twice)}`);
});

for (const lie of ["file syncs", "directory syncs", "data syncs"] as const) {
  t.test(`a disk without ${lie} is found out`, async (t) => {
    const { problem } = await first(lie);
    t.not(problem, "");
    t.comment(problem);
  });
}
