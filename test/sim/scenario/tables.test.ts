/** What docs/testing.md says is tested is tested: every scenario, test and check that its tables name exists. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { top } from "../../tidy/source.ts";
import { inOrder } from "../check/index.ts";
import { Cluster } from "../cluster.ts";
import { schedules } from "./all.ts";

const page = readFileSync(join(top, "docs/testing.md"), "utf8");

/** The cells of the table below a heading. */
function rowsUnder(heading: string): string[][] {
  const from = page.indexOf(`## ${heading}`);
  const end = page.indexOf("\n## ", from + 1);
  const text = page.slice(from, end < 0 ? undefined : end);
  const rows = text.split("\n").filter((line) => line.startsWith("| "));
  return rows.slice(1).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

t.test("known bugs", (t) => {
  const rows = rowsUnder("Known bugs, each a scenario or a test");
  t.ok(rows.length > 40, `${rows.length} rows`);
  for (const [bug = "", where = "", name = ""] of rows) {
    if (where === "scenario")
      t.ok(
        schedules.some((scenario) => scenario.name === name),
        `${bug}: scenario ${name}`,
      );
    else t.ok(readFileSync(join(top, where.replaceAll("`", "")), "utf8").includes(`"${name}"`), `${bug}: ${where} ${name}`);
  }
  t.end();
});

t.test("invariants", (t) => {
  const cluster = new Cluster({ seed: 1, voters: 3, observers: 0, clients: 1 });
  const names = new Set(cluster.checks.all().map((check) => check.name));
  const told = new Set<string>();
  const ids = rowsUnder("Invariants, each with its checks").map(([id]) => id);
  t.same(ids, [...new Set(inOrder.map(([id]) => id))]);
  for (const [id = "", , checks = ""] of rowsUnder("Invariants, each with its checks")) {
    for (const name of checks.split(";").map((part) => part.trim())) {
      t.ok(names.has(name), `${id}: ${name}`);
      told.add(name);
    }
  }
  told.add("no server stops by itself");
  t.same(
    [...names].filter((name) => !told.has(name)),
    [],
    "every check is in the table",
  );
  t.end();
});
