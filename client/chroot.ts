/**
 * The part of the tree that a client sees as its whole: paths are given and returned relative to it.
 * Also where paths and sizes are checked, before anything is sent: a request that the server must
 * refuse as malformed would cost the connection.
 */
import { productionLimits } from "../src/model/limits.ts";
import { isWithin, pathError, utf8Length } from "../src/model/path.ts";
import type { MultiOperation } from "../src/model/request.ts";
import { ZabraError } from "./error.ts";

export class Chroot {
  /** Empty for the whole tree. */
  readonly #prefix: string;

  constructor(path: string) {
    if (path !== "/") check(path, false);
    this.#prefix = path === "/" ? "" : path;
  }

  get prefix(): string {
    return this.#prefix;
  }

  /** The server's path of one of ours. */
  global(path: string, sequential = false): string {
    check(path, sequential);
    if (this.#prefix === "") return path;
    const global = path === "/" ? this.#prefix : this.#prefix + path;
    check(global, sequential);
    return global;
  }

  /** Our path of one of the server's; one outside is left as it is. */
  readonly local = (path: string): string => {
    if (this.#prefix === "" || !isWithin(path, this.#prefix)) return path;
    return path.length === this.#prefix.length ? "/" : path.slice(this.#prefix.length);
  };

  operation(operation: MultiOperation): MultiOperation {
    const sequential = operation.type === "create" && operation.sequential;
    return { ...operation, path: this.global(operation.path, sequential) };
  }
}

function check(path: string, sequential: boolean): void {
  const problem = pathError(path, productionLimits, sequential);
  if (problem !== undefined) throw new ZabraError("BAD_ARGUMENTS", { path, detail: problem });
}

/** What a request holds besides its data and paths, at most, a piece. */
const overheadBytes = 256;

/** Refuses data that no server would take. `paths` and `data` of all parts of one request. */
export function checkSize(paths: readonly string[], data: readonly (Uint8Array | undefined)[]): void {
  let total = 0;
  for (const bytes of data) {
    const length = bytes?.length ?? 0;
    if (length > productionLimits.data_bytes_max)
      throw new ZabraError("LIMIT", { path: paths[0], detail: `data_bytes_max is ${productionLimits.data_bytes_max}` });
    total += length;
  }
  if (data.length < 2) return;
  for (const path of paths) total += utf8Length(path) + overheadBytes;
  if (total > productionLimits.frame_bytes_max)
    throw new ZabraError("LIMIT", { path: paths[0], detail: `frame_bytes_max is ${productionLimits.frame_bytes_max}` });
}
