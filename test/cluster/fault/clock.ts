/** Wall clocks that jump by up to an hour, or to and fro. Nothing but ctime and mtime may notice. */
import { setTimeout as delay } from "node:timers/promises";
import type { FakeClocks } from "../shim/fake-clocks.ts";
import { type Fault, type Stage, within } from "./fault.ts";

function missing({ clocks }: Stage): string | undefined {
  return typeof clocks === "string" ? clocks : undefined;
}

function clocksOf({ clocks }: Stage): FakeClocks {
  if (typeof clocks === "string") throw new Error(clocks);
  return clocks;
}

/** How far the wall clock of a server is from ours, as its answers are dated; undefined: it does not answer. */
async function offsetSeconds(stage: Stage, id: number): Promise<number | undefined> {
  if (stage.taken.has(id) || stage.servers.pid(id) === 0) return undefined;
  try {
    const { headers } = await fetch(`${stage.servers.httpUrl(id)}/livez`, { signal: AbortSignal.timeout(2_000) });
    return (Date.parse(headers.get("date") ?? "") - Date.now()) / 1_000;
  } catch {
    return undefined;
  }
}

const jump: Fault = {
  name: "clock-jump",
  kind: "clock",
  missing,
  strike: async (stage) => {
    const id = stage.random.pick(stage.network.ids);
    const seconds = (stage.random.chance(0.5) ? 1 : -1) * (60 + stage.random.below(3_540));
    clocksOf(stage).set(id, seconds);
    return {
      what: `server ${id}, ${seconds} s`,
      end: async () => {
        const jumped = async (): Promise<boolean> => {
          const seen = await offsetSeconds(stage, id);
          // It may be down now; then there is nobody to ask.
          return seen === undefined || Math.abs(seen - seconds) < 30;
        };
        const problem = await within(`the clock of server ${id} did not jump`, jumped);
        clocksOf(stage).set(id, 0);
        return problem;
      },
    };
  },
};

const strobe: Fault = {
  name: "clock-strobe",
  kind: "clock",
  missing,
  strike: async (stage) => {
    let going = true;
    let seen = 0;
    const id = stage.random.pick(stage.network.ids);
    const loop = (async () => {
      for (let turn = 0; going; turn += 1) {
        clocksOf(stage).set(id, turn % 2 === 0 ? 120 : 0);
        await delay(1_100);
        if (Math.abs((await offsetSeconds(stage, id)) ?? 120) > 60) seen += 1;
      }
    })();
    return {
      what: `server ${id}, 120 s to and fro`,
      end: async () => {
        const problem = await within(`the clock of server ${id} did not jump`, () => seen > 0);
        going = false;
        await loop;
        clocksOf(stage).set(id, 0);
        return problem;
      },
    };
  },
};

export const clocks: readonly Fault[] = [jump, strobe];
