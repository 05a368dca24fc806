/**
 * The log's driver on a real file system. Operations that touch the same name, or of which one names a
 * directory that holds the other, run in the order submitted; others run side by side in libuv's
 * thread pool. Completions and the first failure go to the inbox; after a failure nothing more is
 * started or reported, because the process must end: a page whose write-back failed is marked clean,
 * so a retried fsync would lie (the CuttleFS study, USENIX ATC 2020). Called by `src/log`, through `Disk`.
 */
import * as fs from "node:fs";
import { mkdirSync, readdirSync, rmSync, statfsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Disk, DiskOperation } from "../src/log/disk.ts";
import { assert, assertNever } from "../src/model/assert.ts";
import { lockName } from "./directory-lock.ts";
import { failpoint } from "./failpoint.ts";
import type { Inbox } from "./inbox.ts";

type WriteOperation = Extract<DiskOperation, { type: "write" }>;

interface Pending {
  readonly operation: DiskOperation;
  started: boolean;
}

interface OpenFile {
  readonly fd: number;
  lastUse: number;
}

const temporarySuffix = ".tmp";
const openFilesMax = 16;
/** Below this, one copy is cheaper than many buffers in a vectored write. */
const gatherBytesMax = 256 * 1024;
const zeroChunkBytes = 1 << 20;
/** Preallocation is synced in steps, so that its write-back does not delay the log's own syncs for long. */
const zeroSyncBytes = 8 << 20;
const freeSampleMs = 1000;

const writeAsync = promisify(fs.write);
const fsyncAsync = promisify(fs.fsync);
const fdatasyncAsync = promisify(fs.fdatasync);
const statfsAsync = promisify(fs.statfs);

export class NodeDisk implements Disk {
  readonly #root: string;
  readonly #inbox: Inbox;
  readonly #pending: Pending[] = [];
  readonly #open = new Map<string, OpenFile>();
  readonly #sampler: NodeJS.Timeout;
  #uses = 0;
  #failed = false;
  #closed = false;
  #free: number;
  #onIdle: (() => void) | undefined;

  /** Makes the directory when it is missing, and removes what an interrupted replace left behind. */
  constructor(root: string, inbox: Inbox) {
    this.#root = root;
    this.#inbox = inbox;
    mkdirSync(root, { recursive: true });
    this.#removeLeftovers("");
    for (const name of readdirSync(root, { withFileTypes: true })) if (name.isDirectory()) this.#removeLeftovers(name.name);
    this.#free = freeBytesOf(statfsSync(root));
    this.#sampler = setInterval(() => void this.#sampleFree(), freeSampleMs);
    this.#sampler.unref();
  }

  list(directory: string): string[] {
    const path = join(this.#root, directory);
    try {
      return readdirSync(path).filter(isOurs).sort();
    } catch (error) {
      if (isAbsence(error)) return [];
      throw error;
    }
  }

  size(file: string): number | undefined {
    return statSync(join(this.#root, file), { throwIfNoEntry: false })?.size;
  }

  read(file: string, offset: number, length: number): Uint8Array {
    const opened = this.#open.get(file);
    if (opened !== undefined) return readFully(opened.fd, offset, length);
    const fd = fs.openSync(join(this.#root, file), "r");
    try {
      return readFully(fd, offset, length);
    } finally {
      fs.closeSync(fd);
    }
  }

  submit(operation: DiskOperation): void {
    assert(!this.#closed, "disk operation after close");
    if (this.#failed) return;
    const pending = { operation, started: false };
    this.#pending.push(pending);
    if (this.#mayStart(pending)) void this.#run(pending);
  }

  freeBytes(): number {
    return this.#free;
  }

  /** Operations that have not ended; for status. */
  get inFlight(): number {
    return this.#pending.length;
  }

  /** Takes no more operations, lets those submitted end, and closes the files. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sampler);
    if (this.#pending.length > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    for (const file of [...this.#open.keys()]) this.#forget(file);
  }

  /** Nothing submitted earlier may concern the same name, or a directory around it or below it. */
  #mayStart(candidate: Pending): boolean {
    for (const earlier of this.#pending) {
      if (earlier === candidate) return true;
      if (conflict(earlier.operation.file, candidate.operation.file)) return false;
    }
    return true;
  }

  async #run(pending: Pending): Promise<void> {
    pending.started = true;
    try {
      await this.#perform(pending.operation);
      this.#finish(pending);
    } catch (error) {
      this.#fail(pending, error);
    }
  }

  #finish(pending: Pending): void {
    this.#pending.splice(this.#pending.indexOf(pending), 1);
    if (this.#failed) return this.#settle();
    this.#inbox.push({ type: "diskDone", token: pending.operation.token });
    for (const next of [...this.#pending]) if (!next.started && this.#mayStart(next)) void this.#run(next);
    this.#settle();
  }

  #fail(pending: Pending, error: unknown): void {
    const first = !this.#failed;
    this.#failed = true;
    const running = this.#pending.filter((other) => other.started && other !== pending);
    this.#pending.splice(0, this.#pending.length, ...running);
    const { type, file } = pending.operation;
    if (first)
      this.#inbox.push({
        type: "diskFailed",
        reason: `${type} ${file}: ${error instanceof Error ? error.message : String(error)}`,
      });
    this.#settle();
  }

  #settle(): void {
    if (this.#pending.length === 0) this.#onIdle?.();
  }

  #perform(operation: DiskOperation): Promise<void> {
    switch (operation.type) {
      case "write":
        return this.#write(operation);
      case "create":
        return this.#create(operation.file, operation.bytes);
      case "replace":
        return this.#replace(operation.file, operation.content);
      case "remove":
        return this.#remove(operation.file);
      default:
        return assertNever(operation);
    }
  }

  async #write(operation: WriteOperation): Promise<void> {
    const fd = this.#descriptor(operation.file);
    failpoint("logBeforeWrite");
    let offset = operation.offset;
    for (const chunk of gather(operation.chunks)) {
      await writeFully(fd, chunk, offset);
      offset += chunk.length;
    }
    if (!operation.sync) return;
    failpoint("logBeforeSync");
    await fdatasyncAsync(fd);
    failpoint("logAfterSync");
  }

  async #create(file: string, bytes: number): Promise<void> {
    await this.#makeWhole("segment", file, async (fd) => {
      const zeros = new Uint8Array(Math.min(bytes, zeroChunkBytes));
      for (let offset = 0; offset < bytes; offset += zeros.length) {
        await writeFully(fd, zeros.subarray(0, Math.min(zeros.length, bytes - offset)), offset);
        if ((offset + zeros.length) % zeroSyncBytes === 0) await fdatasyncAsync(fd);
      }
    });
  }

  async #replace(file: string, content: Uint8Array): Promise<void> {
    await this.#makeWhole(file.startsWith("epoch") ? "epoch" : "manifest", file, (fd) => writeFully(fd, content, 0));
  }

  /** Temporary file, fsync, rename, directory fsync: under its name a file is whole or absent. */
  async #makeWhole(kind: "epoch" | "manifest" | "segment", file: string, fill: (fd: number) => Promise<void>): Promise<void> {
    const path = join(this.#root, file);
    this.#makeDirectory(dirname(path));
    const temporary = path + temporarySuffix;
    const handle = await fs.promises.open(temporary, "w");
    try {
      await fill(handle.fd);
      failpoint(`${kind}BeforeSync`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    this.#forget(file);
    failpoint(`${kind}BeforeRename`);
    await fs.promises.rename(temporary, path);
    failpoint(`${kind}BeforeDirectorySync`);
    await syncDirectory(dirname(path));
    failpoint(`${kind}AfterDirectorySync`);
  }

  #makeDirectory(path: string): void {
    if (mkdirSync(path, { recursive: true }) === undefined) return;
    const fd = fs.openSync(dirname(path), "r");
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  }

  async #remove(file: string): Promise<void> {
    for (const name of [...this.#open.keys()]) if (conflict(name, file)) this.#forget(name);
    const path = join(this.#root, file);
    failpoint("removeBefore");
    await fs.promises.rm(path, { recursive: true, force: true });
    await syncDirectory(dirname(path));
    failpoint("removeAfter");
  }

  /** One descriptor a file, kept open; the longest unused idle one makes room. */
  #descriptor(file: string): number {
    let opened = this.#open.get(file);
    if (opened === undefined) {
      this.#makeRoom();
      opened = { fd: fs.openSync(join(this.#root, file), "r+"), lastUse: 0 };
      this.#open.set(file, opened);
    }
    this.#uses += 1;
    opened.lastUse = this.#uses;
    return opened.fd;
  }

  #makeRoom(): void {
    if (this.#open.size < openFilesMax) return;
    const idle = [...this.#open].filter(([file]) => !this.#isBusy(file));
    idle.sort((a, b) => a[1].lastUse - b[1].lastUse);
    const oldest = idle[0];
    if (oldest !== undefined) this.#forget(oldest[0]);
  }

  #isBusy(file: string): boolean {
    return this.#pending.some((pending) => pending.started && pending.operation.file === file);
  }

  #forget(file: string): void {
    const opened = this.#open.get(file);
    if (opened === undefined) return;
    this.#open.delete(file);
    fs.closeSync(opened.fd);
  }

  #removeLeftovers(directory: string): void {
    const path = join(this.#root, directory);
    for (const name of readdirSync(path)) if (name.endsWith(temporarySuffix)) rmSync(join(path, name), { force: true });
  }

  async #sampleFree(): Promise<void> {
    try {
      this.#free = freeBytesOf(await statfsAsync(this.#root));
    } catch {
      // The sample before stays; a disk that is really gone shows itself in the next write.
    }
  }
}

/** The server's lock and unfinished files are none of the log's business. */
function isOurs(name: string): boolean {
  return !name.endsWith(temporarySuffix) && name !== lockName;
}

function freeBytesOf(stats: { readonly bavail: number; readonly bsize: number }): number {
  return stats.bavail * stats.bsize;
}

/** True when the names are equal or one is a directory around the other. */
function conflict(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}

function isAbsence(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

function gather(chunks: readonly Uint8Array[]): readonly Uint8Array[] {
  if (chunks.length <= 1) return chunks;
  const gathered: Uint8Array[] = [];
  let group: Uint8Array[] = [];
  let bytes = 0;
  for (const chunk of chunks) {
    if (bytes > 0 && bytes + chunk.length > gatherBytesMax) {
      gathered.push(joined(group, bytes));
      group = [];
      bytes = 0;
    }
    group.push(chunk);
    bytes += chunk.length;
  }
  gathered.push(joined(group, bytes));
  return gathered;
}

function joined(group: readonly Uint8Array[], bytes: number): Uint8Array {
  const only = group.length === 1 ? group[0] : undefined;
  return only ?? Buffer.concat(group, bytes);
}

async function writeFully(fd: number, chunk: Uint8Array, offset: number): Promise<void> {
  let done = 0;
  while (done < chunk.length) {
    const { bytesWritten } = await writeAsync(fd, chunk, done, chunk.length - done, offset + done);
    if (bytesWritten === 0) throw new Error("a write made no progress");
    done += bytesWritten;
  }
}

function readFully(fd: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const got = fs.readSync(fd, bytes, done, length - done, offset + done);
    if (got === 0) break;
    done += got;
  }
  return done === length ? bytes : bytes.subarray(0, done);
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await fs.promises.open(path, "r");
  try {
    await fsyncAsync(handle.fd);
  } finally {
    await handle.close();
  }
}
