/** The programs of the pages on fencing and the virtual ensemble run as they stand there, in virtual time, with what they leave open filled in. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";
import RedisMock from "ioredis-mock";
import t from "tap";
import * as fencing from "../../client/fencing/index.ts";
import type { Client } from "../../client/index.ts";
import * as recipes from "../../client/recipes/index.ts";
import { virtualEnsemble } from "../sim/testing.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

function programOf(page: string): string {
  const [, program = ""] = /```ts\n([\s\S]*?)```/.exec(readFileSync(`${root}/docs/${page}.md`, "utf8")) ?? [];
  return program;
}

/** The program as a function of what it imports and what it leaves open. */
function body(page: string, names: readonly string[]): (...values: readonly unknown[]) => Promise<void> {
  const code = programOf(page).replace(/^import .*\n/gm, "");
  const wrapped = `const program = async (${names.join(", ")}) => {\n${code}\n};`;
  const { code: plain } = transformSync(wrapped, { loader: "ts", target: "es2022" });
  return new Function(`${plain}\nreturn program;`)() as (...values: readonly unknown[]) => Promise<void>;
}

async function play(page: string, client: Client, open: Readonly<Record<string, unknown>>): Promise<void> {
  const scope = { ...recipes, ...fencing, client, ...open };
  const names = Object.keys(scope);
  await body(page, names)(...names.map((name) => (scope as Record<string, unknown>)[name]));
}

t.test("docs/fencing.md", async (t) => {
  const ensemble = virtualEnsemble();
  const redis = new RedisMock();
  await ensemble.run(async () => {
    const client = await ensemble.client();
    await play("fencing", client, { Redis: RedisMock, makeReport: async () => "the report" });
  });
  t.equal(await redis.get("report"), "the report");
});

t.test("docs/virtual-ensemble.md", async (t) => {
  mkdirSync(`${root}/dist/docs`, { recursive: true });
  const file = `${root}/dist/docs/virtual-ensemble.test.mjs`;
  writeFileSync(file, programOf("virtual-ensemble"));
  const run = spawnSync(process.execPath, ["--test", file], { encoding: "utf8" });
  t.equal(run.status, 0, "it passes", { output: run.stdout + run.stderr });
});
