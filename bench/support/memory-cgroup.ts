/**
 * A memory cgroup for each server, below this process's own, version 1 or 2, whichever the machine has.
 * Page cache counts too: what a server maps and writes is reclaimed under the limit, what it holds in
 * anonymous memory is not. Needs the right to make cgroups; says so otherwise.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Files {
  readonly parent: string;
  readonly limit: string;
  readonly peak: string;
}

export class MemoryCgroups {
  readonly #files: Files;
  readonly #limitMiB: number;
  readonly #made = new Map<number, string>();

  private constructor(files: Files, limitMiB: number) {
    this.#files = files;
    this.#limitMiB = limitMiB;
  }

  /** The reason, in words, when there can be none here. */
  static open(limitMiB: number): MemoryCgroups | string {
    const lines = readFileSync("/proc/self/cgroup", "utf8").trim().split("\n");
    const one = lines.map((line) => /^\d+:([^:]*):(.*)$/.exec(line)).find((match) => match?.[1]?.split(",").includes("memory"));
    const files =
      one === undefined || one === null
        ? { parent: `/sys/fs/cgroup${lines[0]?.split("::")[1] ?? "/"}`, limit: "memory.max", peak: "memory.peak" }
        : { parent: `/sys/fs/cgroup/memory${one[2] ?? "/"}`, limit: "memory.limit_in_bytes", peak: "memory.max_usage_in_bytes" };
    const cgroups = new MemoryCgroups(files, limitMiB);
    try {
      cgroups.#directory(0);
      return cgroups;
    } catch (error) {
      return `no memory cgroup can be made below ${files.parent}: ${error instanceof Error ? error.message : String(error)}`;
    } finally {
      cgroups.remove();
    }
  }

  /** Put before a server's command, it starts inside its own cgroup. */
  prefix(id: number): readonly string[] {
    return ["sh", "-c", `echo $$ > ${join(this.#directory(id), "cgroup.procs")} && exec "$@"`, "sh"];
  }

  /** The most that a server's cgroup has held at once, page cache included, MiB. */
  peakMiB(id: number): number {
    const path = join(this.#directory(id), this.#files.peak);
    return existsSync(path) ? Math.round(Number(readFileSync(path, "utf8")) / 2 ** 20) : Number.NaN;
  }

  remove(): void {
    for (const directory of this.#made.values()) if (existsSync(directory)) rmdirSync(directory);
    this.#made.clear();
  }

  #directory(id: number): string {
    const known = this.#made.get(id);
    if (known !== undefined) return known;
    const directory = join(this.#files.parent, `zabra-${process.pid}-${id}`);
    mkdirSync(directory);
    this.#made.set(id, directory);
    writeFileSync(join(directory, this.#files.limit), String(this.#limitMiB * 2 ** 20));
    return directory;
  }
}
