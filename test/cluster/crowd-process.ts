/** A crowd whose work does not delay its makers', nor theirs its own: it lives in a child process. Used by `bench/overload.ts`. */
import { AnsweringProcess, type Failed, type ReportOf } from "../support/answering-process.ts";

export type CrowdOrder =
  | { readonly type: "allBack"; readonly deadlineMs: number }
  | { readonly type: "count" }
  | { readonly type: "leave" };

export type CrowdReport =
  | { readonly type: "gathered" }
  | { readonly type: "back"; readonly ms: number }
  | { readonly type: "counts"; readonly lost: number; readonly suspended: number; readonly missing: number }
  | { readonly type: "left" }
  | Failed;

export class CrowdProcess {
  readonly #process: AnsweringProcess<CrowdOrder, CrowdReport>;

  private constructor(args: readonly string[]) {
    this.#process = new AnsweringProcess("the crowd", new URL("./crowd-child.js", import.meta.url), args);
  }

  static async gather(urls: readonly string[], count: number, root: string): Promise<CrowdProcess> {
    const crowd = new CrowdProcess([urls.join(","), String(count), root]);
    await crowd.#process.next("gathered");
    return crowd;
  }

  /** Resolves to the ms it took until all are connected; rejects when `deadlineMs` was not enough. */
  async allBack(deadlineMs: number): Promise<number> {
    return (await this.#process.ask({ type: "allBack", deadlineMs }, "back")).ms;
  }

  /** Sessions that ended, clients that were without a connection for a while, ephemerals that are not there. */
  count(): Promise<ReportOf<CrowdReport, "counts">> {
    return this.#process.ask({ type: "count" }, "counts");
  }

  async leave(): Promise<void> {
    await this.#process.ask({ type: "leave" }, "left");
  }

  kill(): void {
    this.#process.kill();
  }
}
