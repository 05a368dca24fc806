/** The network between real servers, as faults see it: by proxies in one host (`partitioned-ensemble.ts`) or by namespaces that are hosts (`namespaced-ensemble.ts`). */
import type { ProcessEnsemble } from "./process-ensemble.ts";

export interface Network {
  readonly servers: ProcessEnsemble;
  readonly ids: readonly number[];
  /** What `from` sends does not reach `to`; the other way is as it was. Undone by `heal`, or by as many `unblock`. */
  block(from: number, to: number): void;
  unblock(from: number, to: number): void;
  /** How often something on its way from one to the other was held, dropped or slowed so far; perhaps that of others to the same. */
  touched(from: number, to: number): number;
  heal(): void;
  close(): Promise<void>;
  /** A delay, ms each way; 0: none. */
  slow?(delayMs: number): void;
  /** Resets the connections of one server; how many those were. */
  cut?(id: number): number;
  /** Loses so many percent of all packets that reach a server. */
  lose?(percent: number): void;
  /** Packets lost so far. */
  lost?(): number;
  /** So many kbit/s for all that a server sends; undefined: as many as there can be. */
  narrow?(id: number, kbit: number | undefined): void;
  /** Packets that had to wait for their turn since `narrow`. */
  waited?(id: number): number;
}
