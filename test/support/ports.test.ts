import { execFile } from "node:child_process";
import { promisify } from "node:util";
import t from "tap";
import { drawPort } from "./ports.ts";

t.setTimeout(900_000);

const drawn = 150;
const program = `const { drawPort } = await import(process.argv[1]);
const ports = []; while (ports.length < ${drawn}) ports.push(await drawPort());
console.log(JSON.stringify(ports));
process.stdin.once("end", () => process.exit(0)).resume();`;

/** What another process draws, that lives until it is told to end. */
function drawElsewhere(): Promise<number[]> {
  const ports = new URL(import.meta.url.endsWith(".ts") ? "./ports.ts" : "./ports.js", import.meta.url).href;
  const running = promisify(execFile)(process.execPath, [
    ...(import.meta.url.endsWith(".ts") ? process.execArgv : []),
    "--input-type=module",
    "-e",
    program,
    ports,
  ]);
  running.child.stdout?.once("data", () => running.child.stdin?.end());
  return running.then(({ stdout }) => JSON.parse(stdout) as number[]);
}

t.test("no two processes draw one port, and one process draws each once", async (t) => {
  const own: number[] = [];
  const others = Promise.all([drawElsewhere(), drawElsewhere()]);
  while (own.length < drawn) own.push(...(await Promise.all([drawPort(), drawPort()])));
  const all = [...own, ...(await others).flat()];
  t.equal(new Set(all).size, all.length);
  t.ok(all.every((port) => port > 12_000 && port < 32_000));
});
