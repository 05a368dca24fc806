/**
 * Transaction ids. A zxid is `epoch · 2³² + counter`, held in one safe integer, so it compares with
 * `<`, keys a Map and never allocates. Epochs stay below 2²¹, which keeps the sum below 2⁵³.
 * Numeric order is the order of transactions; zxids are dense within an epoch and start at counter 1.
 */
import { assert } from "./assert.ts";

export type Brand<T, Name extends string> = T & { readonly __brand: Name };
export type Zxid = Brand<number, "Zxid">;
export type Epoch = Brand<number, "Epoch">;
/** A session's id is the zxid of the transaction that created it: unique, ordered, never reused. */
export type SessionId = Brand<number, "SessionId">;
/** 1 … 255, chosen by the operator. */
export type ServerId = number;
/** Names one client connection of one server process; never reused within that process. */
export type ConnectionId = number;

export const counterSpan = 0x1_0000_0000;
export const epochMax = 0x1f_ffff;
export const zeroZxid = 0 as Zxid;
export const zeroEpoch = 0 as Epoch;

export function makeEpoch(value: number): Epoch {
  assert(Number.isInteger(value) && value >= 0 && value <= epochMax, "epoch out of range");
  return value as Epoch;
}

export function makeZxid(epoch: Epoch, counter: number): Zxid {
  assert(counter >= 0 && counter < counterSpan, "zxid counter out of range");
  return (epoch * counterSpan + counter) as Zxid;
}

export function epochOf(zxid: Zxid): Epoch {
  return Math.floor(zxid / counterSpan) as Epoch;
}

export function counterOf(zxid: Zxid): number {
  return zxid % counterSpan;
}

/** The zxid after `zxid` in the same epoch. */
export function nextZxid(zxid: Zxid): Zxid {
  assert(counterOf(zxid) < counterSpan - 1, "zxid counter exhausted");
  return (zxid + 1) as Zxid;
}

/** True when `zxid` may directly follow `prev` in a log: the next counter, or the start of a later epoch. */
export function follows(prev: Zxid, zxid: Zxid): boolean {
  if (zxid === prev + 1 && epochOf(zxid) === epochOf(prev)) return true;
  return epochOf(zxid) > epochOf(prev) && counterOf(zxid) === 1;
}

/** Checks a number that came from outside. Undefined when it is no zxid. */
export function parseZxid(value: number): Zxid | undefined {
  const valid = Number.isSafeInteger(value) && value >= 0;
  return valid ? (value as Zxid) : undefined;
}

/** `epoch:counter`, as people read it in logs and errors. */
export function formatZxid(zxid: Zxid): string {
  return `${epochOf(zxid)}:${counterOf(zxid)}`;
}
