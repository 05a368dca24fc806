/**
 * What a power cut would leave of a server's disk for certain: the checkers' own book, kept from the
 * completions alone and shared with nobody. A read-only Disk, so that the real recovery code reads it.
 */
import type { Disk, DiskOperation } from "../../src/log/disk.ts";

interface CertainDisk extends Disk {
  /** Without what only the page cache has and no sync will write. */
  certain(file: string, from: number, to: number): Uint8Array;
}

export class Platter implements Disk {
  readonly #files = new Map<string, Uint8Array>();
  readonly #pending = new Map<number, DiskOperation>();
  /** What was written of a file since it was last looked at: only that is read again. */
  readonly #written = new Map<string, { from: number; to: number }>();
  /** Rises with each change; `wholeFiles` with each but a sync of what was written inside a file. */
  changes = 0;
  wholeFiles = 0;

  submitted(operation: DiskOperation): void {
    this.#pending.set(operation.token, operation);
    if (operation.type !== "write") return;
    const to = operation.chunks.reduce((end, chunk) => end + chunk.length, operation.offset);
    const known = this.#written.get(operation.file);
    if (known === undefined) this.#written.set(operation.file, { from: operation.offset, to });
    else {
      known.from = Math.min(known.from, operation.offset);
      known.to = Math.max(known.to, to);
    }
  }

  completed(token: number, disk: CertainDisk): void {
    const operation = this.#pending.get(token);
    if (operation === undefined) return;
    this.#pending.delete(token);
    this.changes += 1;
    if (operation.type !== "write") this.wholeFiles += 1;
    const { file } = operation;
    if (operation.type === "remove") this.#remove(file);
    else if (operation.type === "create") this.#files.set(file, new Uint8Array(operation.bytes));
    else if (operation.type === "replace") this.#files.set(file, operation.content.slice());
    else if (operation.sync) this.#sync(file, disk);
  }

  /** The process is gone, and what it had under way with it. */
  forgetPending(): void {
    this.#pending.clear();
  }

  /** After a power cut what can be read is all there is. */
  settle(files: ReadonlyMap<string, Uint8Array>): void {
    this.changes += 1;
    this.wholeFiles += 1;
    this.#pending.clear();
    this.#written.clear();
    this.#files.clear();
    for (const [file, content] of files) this.#files.set(file, content);
  }

  #sync(file: string, disk: CertainDisk): void {
    const size = disk.size(file);
    if (size === undefined) return;
    const mine = this.#files.get(file);
    const written = this.#written.get(file);
    this.#written.delete(file);
    if (mine === undefined || mine.length !== size) this.#files.set(file, disk.certain(file, 0, size));
    else if (written !== undefined) mine.set(disk.certain(file, written.from, written.to), written.from);
  }

  #remove(file: string): void {
    for (const name of [...this.#files.keys()]) if (name === file || name.startsWith(`${file}/`)) this.#files.delete(name);
  }

  list(directory: string): string[] {
    const prefix = directory === "" ? "" : `${directory}/`;
    const names = new Set<string>();
    for (const file of this.#files.keys()) if (file.startsWith(prefix)) names.add(file.slice(prefix.length).split("/")[0] ?? "");
    return [...names].sort();
  }

  size(file: string): number | undefined {
    return this.#files.get(file)?.length;
  }

  read(file: string, offset: number, length: number): Uint8Array {
    return (this.#files.get(file) ?? new Uint8Array(0)).subarray(offset, offset + length);
  }

  /** Opening for a look may ask for changes: they are not made. */
  submit(): void {
    return;
  }

  freeBytes(): number {
    return Number.MAX_SAFE_INTEGER;
  }
}
