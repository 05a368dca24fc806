/** What counts as failed: every way a test file can end without having shown what it should. */
import t from "tap";
import { countsOf, failuresOf, skippedOf, sum, toSummary } from "./tap-output.ts";

const good =
  "TAP version 14\n# Subtest: a\n    ok 1 - x\n    1..1\nok 1 - a\n\n1..1\n# { total: 4, pass: 3, skip: 1 }\n# time=3ms\n";

t.test("counts", async (t) => {
  t.same(countsOf(good, true), { total: 4, pass: 3, fail: 0, skip: 1 });
  t.same(countsOf(good, false), { total: 5, pass: 3, fail: 1, skip: 1 }, "ended badly after all was well");
  t.same(countsOf("ok 1 - x\n", true), { total: 1, pass: 0, fail: 1, skip: 0 }, "no summary");
  t.same(countsOf("# { total: 0 }\n", true), { total: 1, pass: 0, fail: 1, skip: 0 }, "nothing asserted");
  t.same(countsOf("# { total: 2, pass: 1, fail: 1 }\n", false), { total: 2, pass: 1, fail: 1, skip: 0 });
  const counts = sum(countsOf(good, true), countsOf("# { total: 2, pass: 1, fail: 1 }\n", false));
  t.equal(toSummary(counts), "# { total: 6, pass: 4, fail: 1, skip: 1 }");
});

t.test("what failed is told, without what passed and without handles", async (t) => {
  const output =
    "ok 1 - a\nnot ok 2 - b\n  ---\n  handles:\n    - type: Socket\n      events:\n        - close\n  why\n  ...\nok 3 - c\n";
  t.same(failuresOf(output, 10), ["not ok 2 - b", "  ---", "  handles:", "  why", "  ..."]);
  t.same(failuresOf(output, 1), ["not ok 2 - b", "… and 4 lines more"]);
  t.same(skippedOf("ok 1 - kazoo # SKIP not installed\nok 2 - b\n"), ["kazoo # SKIP not installed"]);
});
