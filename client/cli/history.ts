/**
 * The shell's history: one line a command in `~/.zabra_history` (or the file that ZABRA_HISTORY names; none if
 * that is empty), readable by its owner alone. A line that begins with a space is not kept. Used by `shell.ts`.
 */
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const mode = 0o600;

export class History {
  readonly linesMax = 1_000;
  readonly #file: string;
  #lines: string[];

  private constructor(file: string, lines: string[]) {
    this.#file = file;
    this.#lines = lines;
  }

  /** A history that cannot be read is an empty one. */
  static open(file = process.env["ZABRA_HISTORY"] ?? join(homedir(), ".zabra_history")): History {
    const history = new History(file, []);
    try {
      history.#lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
      if (history.#lines.length > 2 * history.linesMax) history.#trim();
    } catch {
      // There is none yet.
    }
    return history;
  }

  newestFirst(): string[] {
    return this.#lines.slice(-this.linesMax).reverse();
  }

  /** Told to the file at once: several shells share it. One that cannot be written is given up silently. */
  add(line: string): void {
    if (this.#file === "" || line.trim() === "" || line.startsWith(" ") || line === this.#lines[this.#lines.length - 1]) return;
    this.#lines.push(line);
    try {
      appendFileSync(this.#file, `${line}\n`, { mode });
    } catch {
      // A read-only home is no reason not to work.
    }
  }

  #trim(): void {
    this.#lines = this.#lines.slice(-this.linesMax);
    writeFileSync(this.#file, this.#lines.map((line) => `${line}\n`).join(""), { mode });
  }
}
