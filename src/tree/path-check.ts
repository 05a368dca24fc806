/**
 * `pathError` for the hot paths of prepare and read: nearly every path is short plain ASCII, which
 * one pass proves valid; anything else is left to `pathError`, whose answer it always equals.
 */
import type { Limits } from "../model/limits.ts";
import { pathError } from "../model/path.ts";

const slash = 47;
const dot = 46;

export function checkPath(path: string, limits: Limits): string | undefined {
  return isPlain(path, limits) ? undefined : pathError(path, limits);
}

/** True only for valid paths. */
function isPlain(path: string, limits: Limits): boolean {
  const { length } = path;
  if (length < 2 || length > limits.path_bytes_max) return false;
  if (path.charCodeAt(0) !== slash || path.charCodeAt(length - 1) === slash) return false;
  let depth = 0;
  let before = 0;
  for (let i = 0; i < length; i += 1) {
    const unit = path.charCodeAt(i);
    if (unit < 0x20 || unit >= 0x7f) return false;
    if (unit === slash) depth += 1;
    if (before === slash && (unit === slash || unit === dot)) return false;
    before = unit;
  }
  return depth <= limits.path_depth_max;
}
