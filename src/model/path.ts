/**
 * Paths of znodes. Rules are ZooKeeper's (`PathUtils.validatePath`), plus our bounds on length and
 * depth. A path is checked once, at the edge; inside the core every path string is valid.
 */
import type { Limits } from "./limits.ts";

export const rootPath = "/";

/** Why `path` is not a valid path; undefined when it is. `sequential` allows the one trailing slash that a suffix will follow. */
export function pathError(path: string, limits: Limits, sequential = false): string | undefined {
  if (path.length === 0) return "a path must not be empty";
  if (path.charCodeAt(0) !== 47) return "a path must start with /";
  if (path.length === 1) return undefined;
  const text = sequential && path.endsWith("/") ? `${path}0` : path;
  if (text.charCodeAt(text.length - 1) === 47) return "a path must not end with /";
  if (utf8Length(text) > limits.path_bytes_max) return `path_bytes_max is ${limits.path_bytes_max}`;
  return componentError(text, limits) ?? characterError(text);
}

function componentError(path: string, limits: Limits): string | undefined {
  let depth = 0;
  let start = 1;
  for (let i = 1; i <= path.length; i += 1) {
    if (i < path.length && path.charCodeAt(i) !== 47) continue;
    const length = i - start;
    if (length === 0) return "a path must not have an empty component";
    if (length <= 2 && isDots(path, start, length)) return "a path must not have . or .. as a component";
    start = i + 1;
    depth += 1;
  }
  return depth > limits.path_depth_max ? `path_depth_max is ${limits.path_depth_max}` : undefined;
}

function isDots(path: string, start: number, length: number): boolean {
  if (path.charCodeAt(start) !== 46) return false;
  return length === 1 || path.charCodeAt(start + 1) === 46;
}

function characterError(path: string): string | undefined {
  for (let i = 0; i < path.length; i += 1) {
    const unit = path.charCodeAt(i);
    if (unit >= 0x20 && unit < 0x7f) continue;
    if (isForbidden(unit)) return `a path must not hold the character U+${unit.toString(16).padStart(4, "0")}`;
  }
  return undefined;
}

function isForbidden(unit: number): boolean {
  if (unit <= 0x1f || (unit >= 0x7f && unit <= 0x9f)) return true;
  return (unit >= 0xd800 && unit <= 0xf8ff) || unit >= 0xfff0;
}

/** Bytes of `text` in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) bytes += unit >= 0x800 && !(unit >= 0xd800 && unit <= 0xdfff) ? 2 : 1;
  }
  return bytes;
}

/** `/` for top-level nodes; undefined for the root. */
export function parentOf(path: string): string | undefined {
  if (path.length === 1) return undefined;
  const slash = path.lastIndexOf("/");
  return slash === 0 ? rootPath : path.slice(0, slash);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

export function joinPath(parent: string, name: string): string {
  return parent.length === 1 ? `/${name}` : `${parent}/${name}`;
}

/** True for `path` itself and everything below it. */
export function isWithin(path: string, ancestor: string): boolean {
  if (ancestor.length === 1) return true;
  if (!path.startsWith(ancestor)) return false;
  return path.length === ancestor.length || path.charCodeAt(ancestor.length) === 47;
}
