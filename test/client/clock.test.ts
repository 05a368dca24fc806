import t from "tap";
import { SystemClock } from "../../client/clock.ts";

t.test(
  "a suspended machine: what the wall clock ran ahead counts as time passed; small steps and steps back do not",
  async (t) => {
    let monotonic = 100;
    let wall = 1_000_000;
    const clock = new SystemClock(
      () => monotonic,
      () => wall,
    );
    const pass = (monotonicMs: number, wallMs: number): number => {
      monotonic += monotonicMs;
      wall += wallMs;
      return clock.nowMs();
    };
    t.equal(pass(10, 10), 110);
    t.equal(pass(10, 30_010), 30_120);
    t.equal(pass(10, 10), 30_130);
    t.equal(pass(10, 90), 30_140);
    t.equal(pass(10, -60_000), 30_150);
    t.equal(pass(10, 10), 30_160);
  },
);
