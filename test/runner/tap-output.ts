/** What the output of one test file (TAP 14, as `tap` prints it) comes to. */

export interface Counts {
  readonly total: number;
  readonly pass: number;
  readonly fail: number;
  readonly skip: number;
}

export const noCounts: Counts = { total: 0, pass: 0, fail: 0, skip: 0 };

export function sum(a: Counts, b: Counts): Counts {
  return { total: a.total + b.total, pass: a.pass + b.pass, fail: a.fail + b.fail, skip: a.skip + b.skip };
}

/** As tap writes it: `# { total: 4, pass: 2, fail: 1, skip: 1 }`, without what is zero. */
export function toSummary(counts: Counts): string {
  const parts = Object.entries(counts).filter(([key, count]) => count > 0 || key === "total");
  return `# { ${parts.map(([key, count]) => `${key}: ${count}`).join(", ")} }`;
}

/**
 * A file counts what its summary says. One that ended badly has failed, whatever it says: one that was killed, that never came to its
 * summary or that has not asserted anything.
 */
export function countsOf(output: string, endedWell: boolean): Counts {
  const summary = /^# (\{ total: .*\})$/m.exec(output)?.[1];
  const said = (key: string): number => Number(new RegExp(`[{ ]${key}: (\\d+)`).exec(summary ?? "")?.[1] ?? 0);
  const counts = { total: said("total"), pass: said("pass"), fail: said("fail"), skip: said("skip") + said("todo") };
  const bad = !endedWell || counts.pass + counts.fail + counts.skip === 0;
  return bad && counts.fail === 0 ? { ...counts, total: counts.total + 1, fail: 1 } : counts;
}

const handle = /^\s*(- [a-zA-Z]+|- type: .*|events:|connectionKey: .*)$/;
const passed = /^\s*(ok \d+ .*|\d+\.\.\d+.*|)$/;

/** The failed assertions with what is said of them, at most `linesMax` lines; without lists of open handles. */
export function failuresOf(output: string, linesMax: number): readonly string[] {
  const lines: string[] = [];
  let inside = 0;
  for (const line of output.split("\n")) {
    if (/^\s*not ok \d+/.test(line)) inside = 60;
    if (inside > 0 && !handle.test(line) && !passed.test(line)) lines.push(line);
    inside -= 1;
  }
  return lines.length <= linesMax ? lines : [...lines.slice(0, linesMax), `… and ${lines.length - linesMax} lines more`];
}

/** What was left out, and why. */
export function skippedOf(output: string): readonly string[] {
  return [...output.matchAll(/^\s*ok \d+ - (.*# SKIP.*)$/gm)].map((match) => match[1] ?? "");
}
