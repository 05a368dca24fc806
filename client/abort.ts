/**
 * Hearing of a signal's end, by any number of listeners. One signal for all that a process does is good practice, but a signal of Node warns of a
 * leak from its eleventh listener on. So each signal has one listener of ours, which tells all. Used wherever calls and recipes take a signal.
 */
import { Listeners } from "./listeners.ts";

const heard = new WeakMap<AbortSignal, Listeners<[]>>();

/** Calls `listener` when `signal` fires later. Returns what ends that. */
export function onceAborted(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => {};
  let listeners = heard.get(signal);
  if (listeners === undefined) {
    const all = new Listeners<[]>();
    listeners = all;
    heard.set(signal, all);
    signal.addEventListener("abort", () => all.tell(), { once: true });
  }
  // A function that is given twice is told twice.
  return listeners.add(() => listener());
}
