/**
 * What clients do while the nemesis is at work: each load keeps its own account of what it was told, and says afterwards what does not fit. One
 * load a file; `all.ts` has them by name.
 */
import { ZabraError } from "../../../client/index.ts";

export interface Load {
  /** Calls that were answered so far. */
  readonly calls: number;
  /** Resolves once it makes headway, or could: rounds must not follow each other faster than clients come back. */
  getsOn(): Promise<void>;
  /** No new calls; resolves when all that were made have ended. */
  end(): Promise<void>;
  /** What is wrong, in words. After `end`, while all servers serve. */
  problems(): Promise<readonly string[]>;
}

export interface LoadWorld {
  /** By which clients reach the servers. */
  readonly urls: readonly string[];
  /** The same past everything that may fail on the way. */
  readonly directUrls: readonly string[];
  /** A node of its own, which is not there yet. */
  readonly directory: string;
  /** Of clients whose sessions must not be lost. */
  readonly sessionTimeoutMs: number;
  /** A multiple of the pauses between calls. */
  readonly slowness: number;
}

export type BeginLoad = (world: LoadWorld) => Promise<Load>;

/** A full disk refuses writes at once, and says that nothing was written; that is no fault. */
export function isReadOnly(error: unknown): boolean {
  return error instanceof ZabraError && error.code === "READ_ONLY";
}

/** Long enough that a call which does not end is a fault of ours and not of a slow machine. */
export const callTimeoutMs = 60_000;

/** Of what is still to come in calm; else it does not come. */
export const calmMs = 60_000;
