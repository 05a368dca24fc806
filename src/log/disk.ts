/**
 * The driver below the log and the epoch record. Reads are synchronous (start, learners that lag,
 * history). Changes are submitted; operations on one file are performed in the order submitted, and
 * each ends in a `diskDone` event with its token. Any failure is fatal: the driver reports
 * `diskFailed`, the process ends, and nothing is retried (a page whose fsync failed is marked clean).
 * File names are relative to the data directory, with `/` between at most one directory and the name.
 */
export type DiskOperation =
  /** Writes at an offset (the file exists), then, with `sync`, fdatasync. */
  | {
      readonly type: "write";
      readonly token: number;
      readonly file: string;
      readonly offset: number;
      readonly chunks: readonly Uint8Array[];
      readonly sync: boolean;
    }
  /** Makes a file of `bytes` zeros, written out, synced, and its directory synced. Makes the directory when it is missing. */
  | { readonly type: "create"; readonly token: number; readonly file: string; readonly bytes: number }
  /** Replaces a file's whole content atomically: temporary file, fsync, rename, directory fsync. Makes the directory when it is missing. */
  | { readonly type: "replace"; readonly token: number; readonly file: string; readonly content: Uint8Array }
  /** Removes a file, or a directory with all in it, and syncs the parent. Fine when it is absent. */
  | { readonly type: "remove"; readonly token: number; readonly file: string };

export interface Disk {
  /** Names in a directory ("" is the data directory), sorted; empty when it does not exist. */
  list(directory: string): string[];
  size(file: string): number | undefined;
  /** Up to `length` bytes; fewer at the end of the file. */
  read(file: string, offset: number, length: number): Uint8Array;
  submit(operation: DiskOperation): void;
  /** Bytes that can still be written before the disk is full, as last sampled. */
  freeBytes(): number;
}
