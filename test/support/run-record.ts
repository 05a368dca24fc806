/**
 * What a long run says of itself, for the table in docs/testing.md: a command given `--record FILE` writes one
 * of these at its end, `npm run testing:figures` makes the table of all that are kept in test/runs. Nothing
 * in it is written by hand.
 */
import { writeFileSync } from "node:fs";

export interface RunRecord {
  /** What was run, in a word or two: the table's first column, and its order. */
  readonly what: string;
  /** As one would type it again, without `--record`. */
  readonly command: string;
  readonly node: string;
  /** Of wall time. */
  readonly seconds: number;
  /** What must be zero. */
  readonly violations: number;
  /** Counts by name, in the order in which they are told. */
  readonly figures: Readonly<Record<string, number>>;
  /** One more list of counts: faults, inputs or kills by kind. */
  readonly kinds?: Readonly<Record<string, number>>;
}

/** Does nothing without a file. */
export function writeRecord(file: string | undefined, record: Omit<RunRecord, "node" | "command">, script: string): void {
  if (file === undefined || file === "") return;
  const { what, seconds, violations, figures, kinds } = record;
  const whole: RunRecord = {
    what,
    command: commandOf(script, process.argv.slice(2)),
    node: process.version,
    seconds: Math.round(seconds),
    violations,
    figures,
    ...(kinds === undefined ? {} : { kinds }),
  };
  writeFileSync(file, `${JSON.stringify(whole, undefined, 2)}\n`);
}

export function commandOf(script: string, args: readonly string[]): string {
  const kept: string[] = [];
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i] as string;
    if (arg === "--record") i += 1;
    else if (!arg.startsWith("--record=")) kept.push(arg);
  }
  return `npm run ${script}${kept.length > 0 ? ` -- ${kept.join(" ")}` : ""}`;
}
