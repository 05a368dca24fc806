/** A child process that takes orders and answers each with one report; what a crowd does in one delays nobody else. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

interface Report {
  readonly type: string;
}

/** `{ type: "failed", reason }` is an answer to any order. */
export interface Failed extends Report {
  readonly type: "failed";
  readonly reason: string;
}

export type ReportOf<R extends Report, T extends R["type"]> = Extract<R, { readonly type: T }>;

export class AnsweringProcess<Order extends object, R extends Report> {
  readonly #name: string;
  readonly #child: ChildProcess;

  /** `name` is for errors. */
  constructor(name: string, program: URL, args: readonly string[]) {
    this.#name = name;
    this.#child = fork(fileURLToPath(program), [...args]);
  }

  /** Rejects when the answer is another one, or the process ends. One at a time. */
  ask<T extends R["type"]>(order: Order, type: T): Promise<ReportOf<R, T>> {
    this.#child.send(order);
    return this.next(type);
  }

  /** What it says next, without being asked. */
  async next<T extends R["type"]>(type: T): Promise<ReportOf<R, T>> {
    const ended = new AbortController();
    const { signal } = ended;
    try {
      const gone = once(this.#child, "exit", { signal }).then(() => {
        throw new Error(`${this.#name}: the process ended`);
      });
      const [report] = (await Promise.race([once(this.#child, "message", { signal }), gone])) as [R | Failed];
      if (report.type === "failed") throw new Error(`${this.#name}: ${(report as Failed).reason}`);
      if (report.type !== type) throw new Error(`${this.#name} said ${report.type}, not ${type}`);
      return report as ReportOf<R, T>;
    } finally {
      ended.abort();
    }
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
