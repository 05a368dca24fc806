/** How results are printed: for people by default, one JSON value a line with `--json`. */
import type { Stat } from "../../src/model/stat.ts";
import { formatZxid, type Zxid } from "../../src/model/zxid.ts";
import { toText } from "../data.ts";

export interface GlobalOptions {
  readonly connect: string;
  readonly json: boolean;
  readonly timeout: string;
  readonly level: string;
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Data as text where it is UTF-8, else as base64. */
export function dataJson(data: Uint8Array | undefined): { data?: string; base64?: string } {
  if (data === undefined) return {};
  const text = toText(data);
  const same = Buffer.from(text).equals(data);
  return same ? { data: text } : { base64: Buffer.from(data).toString("base64") };
}

export function statLines(stat: Stat): string[] {
  const zxid = (value: Zxid): string => `${formatZxid(value)} (${value})`;
  return [
    `czxid          ${zxid(stat.czxid)}`,
    `mzxid          ${zxid(stat.mzxid)}`,
    `pzxid          ${zxid(stat.pzxid)}`,
    `ctime          ${new Date(stat.ctimeMs).toISOString()}`,
    `mtime          ${new Date(stat.mtimeMs).toISOString()}`,
    `version        ${stat.version}`,
    `cversion       ${stat.cversion}`,
    `aversion       ${stat.aversion}`,
    `ephemeralOwner ${stat.ephemeralOwner === 0 ? "-" : stat.ephemeralOwner}`,
    `dataLength     ${stat.dataLength}`,
    `numChildren    ${stat.numChildren}`,
  ];
}

const progressMs = 1_000;

/** Long work tells how far it is, once a second and not before: what ends sooner is silent. */
export function everySecond(
  tell: (nodes: number) => void,
  nowMs: () => number = () => performance.now(),
): (nodes: number) => void {
  let nextMs = nowMs() + progressMs;
  return (nodes) => {
    if (nowMs() < nextMs) return;
    nextMs = nowMs() + progressMs;
    tell(nodes);
  };
}

/** On stderr, for results are on stdout. */
export function progress(phase: string, { json }: Pick<GlobalOptions, "json">): (nodes: number) => void {
  return everySecond((nodes) => {
    process.stderr.write(json ? `${JSON.stringify({ phase, nodes })}\n` : `${phase} ${nodes} nodes\n`);
  });
}
