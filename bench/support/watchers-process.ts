/** Some watchers of a configuration in a child process: a thousand in one would measure the process that they share. Used by `bench/config.ts`. */
import { AnsweringProcess, type Failed, type ReportOf } from "../../test/support/answering-process.ts";
import type { Seen } from "./watchers.ts";

export type WatchersOrder =
  | { readonly type: "await"; readonly value: number }
  | { readonly type: "take" }
  | { readonly type: "close" };

export type WatchersReport =
  | { readonly type: "opened" }
  | { readonly type: "have" }
  | { readonly type: "taken"; readonly seen: readonly Seen[]; readonly bad: number }
  | { readonly type: "closed" }
  | Failed;

export class WatchersProcess {
  readonly #process: AnsweringProcess<WatchersOrder, WatchersReport>;

  private constructor(args: readonly string[]) {
    this.#process = new AnsweringProcess("watchers", new URL("./watchers-child.js", import.meta.url), args);
  }

  static async open(urls: readonly string[], count: number, path: string): Promise<WatchersProcess> {
    const opened = new WatchersProcess([urls.join(","), String(count), path]);
    await opened.#process.next("opened");
    return opened;
  }

  /** Resolves when all its watchers have the value. */
  async have(value: number): Promise<void> {
    await this.#process.ask({ type: "await", value }, "have");
  }

  take(): Promise<ReportOf<WatchersReport, "taken">> {
    return this.#process.ask({ type: "take" }, "taken");
  }

  async close(): Promise<void> {
    await this.#process.ask({ type: "close" }, "closed");
  }
}
