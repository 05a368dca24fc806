/** A crowd whose work does not delay its makers', nor theirs its own: it lives in a child process. Used by `bench/overload.ts`. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export type CrowdOrder =
  | { readonly type: "allBack"; readonly deadlineMs: number }
  | { readonly type: "count" }
  | { readonly type: "leave" };

export type CrowdReport =
  | { readonly type: "gathered" }
  | { readonly type: "back"; readonly ms: number }
  | { readonly type: "counts"; readonly lost: number; readonly suspended: number; readonly missing: number }
  | { readonly type: "left" }
  | { readonly type: "failed"; readonly reason: string };

type ReportOf<T extends CrowdReport["type"]> = Extract<CrowdReport, { readonly type: T }>;

export class CrowdProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async gather(urls: readonly string[], count: number, root: string): Promise<CrowdProcess> {
    const program = fileURLToPath(new URL("./crowd-child.js", import.meta.url));
    const crowd = new CrowdProcess(fork(program, [urls.join(","), String(count), root]));
    await crowd.#next("gathered");
    return crowd;
  }

  /** Resolves to the ms it took until all are connected; rejects when `deadlineMs` was not enough. */
  async allBack(deadlineMs: number): Promise<number> {
    return (await this.#ask({ type: "allBack", deadlineMs }, "back")).ms;
  }

  /** Sessions that ended, clients that were without a connection for a while, ephemerals that are not there. */
  count(): Promise<ReportOf<"counts">> {
    return this.#ask({ type: "count" }, "counts");
  }

  async leave(): Promise<void> {
    await this.#ask({ type: "leave" }, "left");
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async #ask<T extends CrowdReport["type"]>(order: CrowdOrder, type: T): Promise<ReportOf<T>> {
    this.#child.send(order);
    return this.#next(type);
  }

  async #next<T extends CrowdReport["type"]>(type: T): Promise<ReportOf<T>> {
    const ended = new AbortController();
    const { signal } = ended;
    try {
      const gone = once(this.#child, "exit", { signal }).then(() => {
        throw new Error("the crowd's process ended");
      });
      const [report] = (await Promise.race([once(this.#child, "message", { signal }), gone])) as [CrowdReport];
      if (report.type === "failed") throw new Error(`the crowd: ${report.reason}`);
      if (report.type !== type) throw new Error(`the crowd said ${report.type}, not ${type}`);
      return report as ReportOf<T>;
    } finally {
      ended.abort();
    }
  }
}
