import t from "tap";
import { Deadlines } from "../../client/deadlines.ts";

t.test("never early, late by a bucket at most, in order; nextMs never sleeps past one", async (t) => {
  const deadlines = new Deadlines<{ readonly deadlineMs: number }>();
  const items = [500, 3, 77.5, 500, 12_345, 80].map((deadlineMs) => ({ deadlineMs }));
  for (const item of items) deadlines.add(item);
  const gone = items[4];
  if (gone !== undefined) deadlines.remove(gone);
  const taken: number[] = [];
  for (let now = 0; deadlines.nextMs !== undefined; ) {
    t.ok(deadlines.nextMs >= now, "time goes on");
    now = deadlines.nextMs;
    for (const { deadlineMs } of deadlines.takeDue(now)) {
      t.ok(deadlineMs <= now && now - deadlineMs <= 8, `${deadlineMs} at ${now}`);
      taken.push(deadlineMs);
    }
  }
  t.same(taken, [3, 77.5, 80, 500, 500]);
});
