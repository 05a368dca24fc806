/**
 * Wall clocks that jump below real servers, by libfaketime (preloaded; Debian's package `faketime`). Only the wall clock is false: the
 * monotonic one, by which leases run, is the machine's.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const libraries = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/usr/local/lib", "/usr/lib64"].map(
  (directory) => join(directory, "faketime", "libfaketimeMT.so.1"),
);

export class FakeClocks {
  readonly #library: string;
  readonly #directory: string;

  private constructor(library: string, directory: string) {
    this.#library = library;
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  static make(directory: string): FakeClocks | string {
    const library = libraries.find(existsSync);
    return library === undefined ? "no libfaketime" : new FakeClocks(library, directory);
  }

  /** Variables of server `id`. */
  env(id: number): Readonly<Record<string, string>> {
    this.set(id, 0);
    return {
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#file(id),
      FAKETIME_CACHE_DURATION: "1",
      DONT_FAKE_MONOTONIC: "1",
      FAKETIME_DONT_RESET: "1",
    };
  }

  /** How far its wall clock is off, seconds. Seen within a second. */
  set(id: number, seconds: number): void {
    writeFileSync(this.#file(id), `${seconds < 0 ? "-" : "+"}${Math.abs(seconds)}`);
  }

  #file(id: number): string {
    return join(this.#directory, `clock-${id}`);
  }
}
