/** The table of docs/testing.md is what the kept records say. */
import { readFileSync } from "node:fs";
import t from "tap";
import { commandOf } from "../support/run-record.ts";
import { keptRecords, pageFile, table, withFigures } from "./figures.ts";

t.test("the page's table is made of the records", (t) => {
  const page = readFileSync(pageFile, "utf8");
  t.equal(withFigures(page, keptRecords()), page, "run `npm run testing:figures`");
  t.end();
});

t.test("one record", (t) => {
  const text = table([
    {
      what: "worlds",
      command: commandOf("sim", ["--seeds", "5", "--record", "x.json"]),
      node: "v20.1.0",
      seconds: 150,
      violations: 0,
      figures: { seeds: 20_000, "simulated hours": 300.25 },
      kinds: { crash: 3 },
    },
  ]);
  t.match(text, "| worlds | `npm run sim -- --seeds 5` | 20,000 seeds, 300.3 simulated hours | 0 | 3 min, Node 20.1.0 |");
  t.match(text, "By kind, worlds: 3 crash.");
  t.throws(() => withFigures("no marks", []), /lacks/);
  t.end();
});
