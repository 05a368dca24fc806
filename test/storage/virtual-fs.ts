/**
 * A file system in memory for the server's own disk driver (`server/disk.ts`): every call of it is a step, and after
 * each the states that a power cut may leave can be enumerated, as ALICE does (OSDI 2014).
 *
 * What a cut may leave is what POSIX promises and no more: a file's data is there for certain once the file was
 * synced, else each 512-byte sector by itself is old or new; a name (new, renamed, removed) is for certain once its
 * directory was synced, else each by itself, in any combination. Nothing is drawn: calls end in the order begun.
 */
import fs, { type Dirent } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { must } from "../../src/model/assert.ts";

export const root = "/virtual-disk";
const firstFd = 1 << 24;

export interface Inode {
  content: Uint8Array;
  /** What was there when it was last synced. */
  durable: Uint8Array;
  /** Sectors written since. */
  readonly dirty: Set<number>;
}
type Name = Inode | "directory";
/** A change of one name that no sync of its directory has covered. */
export interface NameChange {
  readonly directory: string;
  /** Undefined: the name is gone. A rename has two, and both happen or none. */
  readonly names: readonly (readonly [path: string, to: Name | undefined])[];
}

/** Syncs that a planted bug leaves out. */
export type Lie = "none" | "file syncs" | "directory syncs" | "data syncs";

export class VirtualFs {
  readonly names = new Map<string, Name>([[root, "directory"]]);
  durableNames = new Map<string, Name>(this.names);
  changes: NameChange[] = [];
  steps = 0;
  lie: Lie = "none";
  onStep: () => void = () => {};
  readonly #fds = new Map<number, { readonly path: string; readonly node: Name }>();
  #nextFd = firstFd;

  step(): void {
    this.steps += 1;
    this.onStep();
  }

  change(path: string, to: Name | undefined): void {
    this.#changeAll(dirname(path), [[path, to]]);
  }

  #changeAll(directory: string, names: NameChange["names"]): void {
    for (const [path, to] of names) {
      if (to === undefined) this.names.delete(path);
      else this.names.set(path, to);
    }
    this.changes.push({ directory, names });
    this.step();
  }

  open(path: string, flags: string): number {
    let node = this.names.get(path);
    if (flags === "w") {
      node = { content: new Uint8Array(0), durable: new Uint8Array(0), dirty: new Set() };
      this.change(path, node);
    }
    if (node === undefined) throw absent(path);
    this.#nextFd += 1;
    this.#fds.set(this.#nextFd, { path, node });
    return this.#nextFd;
  }

  owns(fd: number): boolean {
    return fd >= firstFd;
  }

  close(fd: number): void {
    this.#fds.delete(fd);
  }

  file(fd: number): Inode {
    const { node } = must(this.#fds.get(fd), "an open file");
    if (node === "directory") throw new Error("a directory is no file");
    return node;
  }

  write(fd: number, bytes: Uint8Array, offset: number): void {
    const node = this.file(fd);
    const content = new Uint8Array(Math.max(node.content.length, offset + bytes.length));
    content.set(node.content);
    content.set(bytes, offset);
    node.content = content;
    for (let at = offset - (offset % 512); at < offset + bytes.length; at += 512) node.dirty.add(at);
    this.step();
  }

  sync(fd: number, kind: "fsync" | "fdatasync"): void {
    const { path, node } = must(this.#fds.get(fd), "an open file");
    if (node === "directory") this.syncDirectory(path);
    else if (this.lie !== (kind === "fsync" ? "file syncs" : "data syncs")) settle(node);
    this.step();
  }

  syncDirectory(directory: string): void {
    if (this.lie === "directory syncs") return;
    for (const change of this.changes) if (change.directory === directory) applyChange(this.durableNames, change);
    this.changes = this.changes.filter((change) => change.directory !== directory);
  }

  rename(from: string, to: string): void {
    this.#changeAll(dirname(to), [
      [from, undefined],
      [to, must(this.names.get(from), "the renamed file")],
    ]);
  }

  /** Each name by itself, the deepest first. */
  remove(path: string): void {
    const below = [...this.names.keys()].filter((name) => name === path || name.startsWith(`${path}/`));
    for (const name of below.sort().reverse()) this.change(name, undefined);
  }

  makeDirectory(path: string): boolean {
    if (this.names.has(path)) return false;
    this.change(path, "directory");
    return true;
  }

  list(path: string): string[] {
    if (!this.names.has(path)) throw absent(path);
    return [...this.names.keys()]
      .filter((name) => name !== path && dirname(name) === path)
      .map((name) => name.slice(path.length + 1));
  }

  /** Makes `content` what a new process finds, all durable. */
  static of(files: ReadonlyMap<string, Uint8Array | "directory">): VirtualFs {
    const made = new VirtualFs();
    for (const [path, content] of files) {
      if (content === "directory") made.names.set(path, content);
      else made.names.set(path, { content: content.slice(), durable: content.slice(), dirty: new Set() });
    }
    made.durableNames = new Map(made.names);
    return made;
  }
}

export function applyChange(names: Map<string, Name>, change: NameChange): void {
  for (const [path, to] of change.names) {
    if (to === undefined) names.delete(path);
    else names.set(path, to);
  }
}

function settle(node: Inode): void {
  node.durable = node.content.slice();
  node.dirty.clear();
}

function absent(path: string): Error {
  return Object.assign(new Error(`no such file: ${path}`), { code: "ENOENT" });
}

// ---- in the place of node:fs

let current = new VirtualFs();

export function use(virtual: VirtualFs): void {
  current = virtual;
}

function ours(path: unknown): path is string {
  return typeof path === "string" && (path === root || path.startsWith(`${root}/`));
}

/** Puts the virtual file system in the place of the real one, below `root` only. The driver must be imported afterwards. */
export function replaceNodeFs(): void {
  replaceSync();
  replaceCallbacks();
  replacePromises();
  syncBuiltinESMExports();
}

/** Calls `virtual` when its first argument is ours, else what was there. */
function put(target: object, name: string, virtual: (...given: never[]) => unknown): void {
  const real = Reflect.get(target, name) as (...given: unknown[]) => unknown;
  const replacement = (...given: unknown[]): unknown => {
    const [first] = given;
    const mine = typeof first === "number" ? current.owns(first) : ours(first);
    return mine ? Reflect.apply(virtual, undefined, given) : Reflect.apply(real, target, given);
  };
  Reflect.set(target, name, replacement);
}

function replaceSync(): void {
  put(fs, "mkdirSync", (path: string) => (current.makeDirectory(path) ? path : undefined));
  put(fs, "readdirSync", (path: string, options?: object) =>
    options === undefined ? current.list(path) : current.list(path).map((name) => entry(path, name)),
  );
  put(fs, "rmSync", (path: string) => current.remove(path));
  put(fs, "statfsSync", () => ({ bavail: 1 << 20, bsize: 4096 }));
  put(fs, "statSync", (path: string) => {
    const node = current.names.get(path);
    return node === undefined || node === "directory" ? undefined : { size: node.content.length };
  });
  put(fs, "openSync", (path: string, flags: string) => current.open(path, flags));
  put(fs, "closeSync", (fd: number) => current.close(fd));
  put(fs, "fsyncSync", (fd: number) => current.sync(fd, "fsync"));
  put(fs, "readSync", (fd: number, to: Uint8Array, at: number, length: number, offset: number) => {
    const bytes = current.file(fd).content.subarray(offset, offset + length);
    to.set(bytes, at);
    return bytes.length;
  });
}

function entry(path: string, name: string): Pick<Dirent, "name" | "isDirectory"> {
  return { name, isDirectory: () => current.names.get(`${path}/${name}`) === "directory" };
}

function replaceCallbacks(): void {
  put(fs, "fsync", (fd: number, done: () => void) => later(() => current.sync(fd, "fsync"), done));
  put(fs, "fdatasync", (fd: number, done: () => void) => later(() => current.sync(fd, "fdatasync"), done));
  const write = async (fd: number, bytes: Uint8Array, at: number, length: number, offset: number): Promise<object> => {
    current.write(fd, bytes.subarray(at, at + length), offset);
    await Promise.resolve();
    return { bytesWritten: length };
  };
  const real = fs.write;
  Reflect.set(
    fs,
    "write",
    Object.assign((...given: never[]) => Reflect.apply(real, fs, given), { [promisify.custom]: write }),
  );
}

/** The sync counts when it ends, not when it begins. */
function later(effect: () => void, done: () => void): void {
  queueMicrotask(() => {
    effect();
    done();
  });
}

function replacePromises(): void {
  put(fs.promises, "open", async (path: string, flags: string) => {
    const fd = current.open(path, flags);
    await Promise.resolve();
    return {
      fd,
      sync: async () => current.sync(fd, "fsync"),
      close: async () => current.close(fd),
    };
  });
  put(fs.promises, "rename", async (from: string, to: string) => current.rename(from, to));
  put(fs.promises, "rm", async (path: string) => current.remove(path));
}
