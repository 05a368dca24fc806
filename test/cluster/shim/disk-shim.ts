/**
 * Disks that fail, below real servers: `disk-shim.c`, compiled at run time and preloaded, does what a small shared file says, and counts
 * there what it did. One file a server; it outlives the server's restarts.
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { endianness } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../../../../test/cluster/shim/disk-shim.c", import.meta.url));
const words = [
  ...["syncFailures", "syncError", "syncDelayMs", "writeFailures", "writeError", "files"],
  ...["syncs", "syncsFailed", "syncsDelayed", "writes", "writesFailed"],
] as const;
export type DiskWord = (typeof words)[number];

export const diskErrors = { EIO: 5, ENOSPC: 28 } as const;
/** Which files a fault is for; to be added up. */
export const diskFiles = { log: 1, store: 2, other: 4 } as const;

export class DiskShim {
  readonly #library: string;
  readonly #directory: string;
  readonly #root: string;

  private constructor(directory: string, root: string) {
    this.#directory = directory;
    this.#root = root;
    this.#library = join(directory, "disk-shim.so");
  }

  /** For data directories below `root`. A sentence when there is no C compiler. */
  static make(directory: string, root: string): DiskShim | string {
    mkdirSync(directory, { recursive: true });
    const shim = new DiskShim(directory, root);
    const made = spawnSync("cc", ["-O2", "-shared", "-fPIC", "-Wall", "-Werror", "-o", shim.#library, source, "-ldl"], {
      encoding: "utf8",
    });
    if (made.error !== undefined) return `no C compiler (${made.error.message})`;
    if (made.status !== 0) throw new Error(`the disk's shim does not compile: ${made.stderr}`);
    return shim;
  }

  /** Variables of server `id`. */
  env(id: number): Readonly<Record<string, string>> {
    writeFileSync(this.#control(id), new Uint8Array(words.length * 4));
    return { LD_PRELOAD: this.#library, ZABRA_SHIM_CONTROL: this.#control(id), ZABRA_SHIM_ROOT: this.#root };
  }

  get(id: number, word: DiskWord): number {
    const bytes = Buffer.alloc(4);
    const fd = openSync(this.#control(id), "r");
    readSync(fd, bytes, 0, 4, words.indexOf(word) * 4);
    closeSync(fd);
    return endianness() === "LE" ? bytes.readInt32LE() : bytes.readInt32BE();
  }

  set(id: number, values: Partial<Readonly<Record<DiskWord, number>>>): void {
    const fd = openSync(this.#control(id), "r+");
    for (const [word, value] of Object.entries(values)) {
      const bytes = Buffer.from(Int32Array.of(value).buffer);
      writeSync(fd, bytes, 0, 4, words.indexOf(word as DiskWord) * 4);
    }
    closeSync(fd);
  }

  /** All that was asked for; counts stay. */
  heal(id: number): void {
    this.set(id, { syncFailures: 0, syncDelayMs: 0, writeFailures: 0 });
  }

  #control(id: number): string {
    return join(this.#directory, `disk-${id}`);
  }
}
