/** The boot clock between its coarse readings: steady while nothing happens, right at once after a suspend. */
import t from "tap";
import { Clock } from "../../server/clock.ts";

function sources() {
  const state = { monotonic: 1_000, wall: 50_000, boot: 9_000, readings: 0 };
  const pass = (ms: number): void => {
    state.monotonic += ms;
    state.wall += ms;
    state.boot += ms;
  };
  const suspend = (ms: number): void => {
    state.wall += ms;
    state.boot += ms;
  };
  const clock = new Clock({
    monotonic: () => state.monotonic,
    wall: () => state.wall,
    boot: () => {
      state.readings += 1;
      return Math.floor(state.boot / 10) * 10;
    },
  });
  return { state, pass, suspend, clock };
}

t.test("steps of the reading do not look like movement", async (t) => {
  const { pass, clock } = sources();
  let before = clock.now();
  let largest = 0;
  for (let i = 0; i < 1_000; i += 1) {
    pass(7.3);
    const now = clock.now();
    largest = Math.max(largest, Math.abs(now.bootMs - before.bootMs - 7.3));
    before = now;
  }
  t.ok(largest < 0.001, `moved by ${largest} ms`);
});

t.test("it is read ten times a second, not in every turn", async (t) => {
  const { pass, clock, state } = sources();
  for (let i = 0; i < 1_000; i += 1) {
    pass(1);
    clock.now();
  }
  t.ok(state.readings <= 12, `${state.readings} readings in 1 s`);
});

t.test("a suspend shows in the very next turn", async (t) => {
  const { pass, suspend, clock } = sources();
  const before = clock.now();
  pass(1);
  suspend(60_000);
  const now = clock.now();
  t.equal(now.monotonicMs - before.monotonicMs, 1);
  t.ok(now.bootMs - before.bootMs >= 60_000 - 10);
});

t.test("a suspend with a wall clock that was set back shows within 100 ms", async (t) => {
  const { pass, suspend, clock, state } = sources();
  const before = clock.now();
  suspend(60_000);
  state.wall -= 60_000;
  pass(100);
  t.ok(clock.now().bootMs - before.bootMs >= 60_000);
});
