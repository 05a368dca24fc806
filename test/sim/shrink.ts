/**
 * Makes a failing run small: leaves out steps of the nemesis as long as the same check fails (ddmin over
 * the list of faults; what each does is replayed from its own place in the stream of randomness), and
 * tells what is left as a story of at most forty lines.
 */
import { type RunOptions, type RunReport, run } from "./swarm.ts";

export interface Shrunk {
  /** Steps that did something, before and after. */
  readonly before: number;
  readonly after: number;
  readonly runs: number;
  readonly skip: ReadonlySet<number>;
  readonly story: readonly string[];
}

const storyLines = 40;
const runsMaxDefault = 60;

export function shrink(options: RunOptions, failed: RunReport, runsMax = runsMaxDefault): Shrunk {
  const { records, violation } = failed;
  const check = violation?.check;
  const active = records.flatMap((record, index) => (record.kinds.length > 0 ? [index] : []));
  let skip = new Set<number>();
  let runs = 0;
  const fails = (without: ReadonlySet<number>): boolean => {
    runs += 1;
    return replay(options, failed, without).violation?.check === check;
  };
  for (let size = Math.ceil(active.length / 2); size >= 1 && runs < runsMax; size = Math.floor(size / 2)) {
    for (let at = 0; at < active.length && runs < runsMax; at += size) {
      const more = active.slice(at, at + size).filter((index) => !skip.has(index));
      if (more.length === 0) continue;
      const attempt = new Set([...skip, ...more]);
      if (fails(attempt)) skip = attempt;
    }
  }
  return { before: active.length, after: active.length - skip.size, runs, skip, story: tell(options, failed, skip) };
}

function replay(options: RunOptions, failed: RunReport, skip: ReadonlySet<number>, trace?: (line: string) => void): RunReport {
  const { trace: _, ...rest } = options;
  return run({ ...rest, replay: { records: failed.records, skip }, ...(trace === undefined ? {} : { trace }) });
}

const telling =
  /FAULT| {2}(start|crash|kill|halt|wipe|pause|suspend|resumed|drop link) |elected|established|(leading|following) ends|→ s\d+ +(newLeader|upToDate|diff|trunc|snap |ackEpoch|leaderInfo|followerInfo|ack .*newLeader=true)|new epoch begins|fenced|damaged/;

/** The last telling lines before the end, and the violation. */
function tell(options: RunOptions, failed: RunReport, skip: ReadonlySet<number>): string[] {
  const lines: string[] = [];
  const report = replay(options, failed, skip, (line) => {
    if (!telling.test(line)) return;
    lines.push(line.slice(0, 150));
    if (lines.length > storyLines * 2) lines.shift();
  });
  const end = (report.violation ?? failed.violation)?.message.split("\n")[0] ?? "it does not fail any more";
  return [...lines.slice(-(storyLines - 1)), `${report.simulatedMs.toFixed(3).padStart(11)}  ${end.slice(0, 200)}`];
}
