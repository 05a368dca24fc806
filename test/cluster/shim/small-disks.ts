/** A small disk for each real server (tmpfs), so that it can be really full. Needs root. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";

const bytes = 192 << 20;
const fillerName = "filler";
const chunk = new Uint8Array(1 << 20);

export class SmallDisks {
  readonly #directoryOf: (id: number) => string;
  readonly #mounted: string[] = [];

  private constructor(directoryOf: (id: number) => string) {
    this.#directoryOf = directoryOf;
  }

  /** One at each of the directories, which must not be in use. A sentence when it cannot be had here. */
  static make(ids: readonly number[], directoryOf: (id: number) => string): SmallDisks | string {
    const disks = new SmallDisks(directoryOf);
    for (const id of ids) {
      const directory = directoryOf(id);
      mkdirSync(directory, { recursive: true });
      const made = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", directory], { encoding: "utf8" });
      if (made.status !== 0) {
        disks.close();
        return `no tmpfs (${made.error?.message ?? made.stderr.trim()})`;
      }
      disks.#mounted.push(directory);
    }
    return disks;
  }

  /** Until not a byte is left. */
  fill(id: number): void {
    const fd = openSync(join(this.#directoryOf(id), fillerName), "a");
    try {
      for (let size = chunk.length; size > 0; ) {
        try {
          writeSync(fd, chunk, 0, size);
        } catch {
          size = Math.floor(size / 2);
        }
      }
    } finally {
      closeSync(fd);
    }
  }

  isFull(id: number): boolean {
    return statfsSync(this.#directoryOf(id)).bavail === 0;
  }

  empty(id: number): void {
    rmSync(join(this.#directoryOf(id), fillerName), { force: true });
  }

  close(): void {
    for (const directory of this.#mounted.splice(0)) spawnSync("umount", ["-l", directory]);
  }
}
