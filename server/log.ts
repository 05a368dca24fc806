/** The server's log: pino, JSON lines on stderr, so that stdout stays free for what a person asked for. */
import { type Logger, pino } from "pino";
import type { LogLine } from "../src/replica/effects.ts";

export type { Logger } from "pino";

export const logLevels = ["trace", "debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

export function makeLogger(level: LogLevel, id: number): Logger {
  // Synchronous: the last lines before an exit are the ones that matter.
  return pino({ level, base: { server: id }, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ fd: 2, sync: true }));
}

export function writeLogLine(logger: Logger, line: LogLine): void {
  logger[line.level](line.fields, line.message);
}
