/**
 * Timers of a client and of the recipes on it, in one place, so that a test can run both in virtual
 * time. Whatever waits in `client/` waits by these; `test/tidy.test.ts` forbids the globals elsewhere.
 */
export interface Timers {
  /**
   * Runs `run` once, `ms` from now or a little later, each time in a turn of the event loop of its own. Returns
   * what cancels it. `background`: upkeep of the connection, by which nobody's call is moved on.
   */
  after(ms: number, run: () => void, background?: boolean): () => void;
}

/** Longer waits than `setTimeout` takes are cut to this. */
const delayMsMax = 2 ** 31 - 1;

export const systemTimers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, Math.ceil(ms)), delayMsMax));
    return () => clearTimeout(timer);
  },
};
