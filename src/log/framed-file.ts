/**
 * The frame of a small file that is always replaced whole: the manifest, a copy of the epoch record.
 *
 *     magic u32 · version u32 · body bytes u32 · crc u32 of version, length and body · body
 *
 * So a damaged version is not mistaken for a newer one. Before `summedWholeSince` the checksum was of the body alone,
 * beginning with the version; there the same flip in the version and in the body's first four bytes went unseen.
 */
import { crc32c } from "../model/crc32c.ts";
import { viewOf } from "./format.ts";

export interface FileFormat {
  readonly magic: number;
  /** What this program writes. */
  readonly version: number;
  readonly summedWholeSince: number;
}

export type FrameReading =
  | { readonly type: "bad"; readonly reason: string }
  | { readonly type: "ok"; readonly version: number; readonly body: Uint8Array };

const headBytes = 16;

export function frameFile({ magic, version }: FileFormat, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headBytes + body.length);
  bytes.set(body, headBytes);
  const view = viewOf(bytes);
  view.setUint32(0, magic, true);
  view.setUint32(4, version, true);
  view.setUint32(8, body.length, true);
  view.setUint32(12, sumOf(bytes), true);
  return bytes;
}

/** The body is a view. Its version may be newer than ours. */
export function readFrame({ magic, summedWholeSince }: FileFormat, bytes: Uint8Array): FrameReading {
  if (bytes.length < headBytes) return { type: "bad", reason: "is too short" };
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== magic) return { type: "bad", reason: "is of another kind" };
  const version = view.getUint32(4, true);
  const body = bytes.subarray(headBytes);
  const sum = version < summedWholeSince ? crc32c(body, version) : sumOf(bytes);
  if (view.getUint32(8, true) !== body.length || view.getUint32(12, true) !== sum)
    return { type: "bad", reason: "fails its checksum" };
  return { type: "ok", version, body };
}

function sumOf(bytes: Uint8Array): number {
  return crc32c(bytes.subarray(headBytes), crc32c(bytes.subarray(4, 12)));
}
