/**
 * The manifest: which segments are the log, in order, and where each but the last one ends. It is replaced
 * atomically, and that is the one step in which a log is cut, rolled over or trimmed.
 *
 * In a frame (framed-file.ts):
 *
 *     body     log salt u32 · next sequence u32 · segments u32 · then 36 bytes a segment
 *     segment  sequence u32 · alignment u32 · prev u64 · last u64 · end u32 · sealed u32 · bytes u32
 *
 * A file that is not in the manifest is not part of the log. Sequences are never used twice: nothing is
 * written to a segment before the manifest that names it, and a later next sequence, is durable.
 */
import type { Zxid } from "../model/zxid.ts";
import { getZxid, putZxid, viewOf } from "./format.ts";
import { type FileFormat, frameFile, readFrame } from "./framed-file.ts";
import type { SegmentFacts } from "./segment.ts";

export interface Manifest {
  readonly logSalt: number;
  readonly nextSequence: number;
  readonly segments: readonly SegmentFacts[];
}

export type ManifestReading =
  | { readonly type: "ok"; readonly manifest: Manifest }
  | { readonly type: "bad"; readonly reason: string };

/** "ZABM" */
const format: FileFormat = { magic: 0x4d42_415a, version: 2, summedWholeSince: 2 };
const fixedBytes = 12;
const segmentBytes = 36;

export function encodeManifest(manifest: Manifest): Uint8Array {
  const body = new Uint8Array(fixedBytes + manifest.segments.length * segmentBytes);
  const view = viewOf(body);
  view.setUint32(0, manifest.logSalt, true);
  view.setUint32(4, manifest.nextSequence, true);
  view.setUint32(8, manifest.segments.length, true);
  let at = fixedBytes;
  for (const segment of manifest.segments) {
    putSegment(view, at, segment);
    at += segmentBytes;
  }
  return frameFile(format, body);
}

function putSegment(view: DataView, at: number, segment: SegmentFacts): void {
  view.setUint32(at, segment.sequence, true);
  view.setUint32(at + 4, segment.alignment, true);
  putZxid(view, at + 8, segment.prev);
  putZxid(view, at + 16, segment.last);
  view.setUint32(at + 24, segment.end, true);
  view.setUint32(at + 28, segment.sealed ? 1 : 0, true);
  view.setUint32(at + 32, segment.bytes, true);
}

export function decodeManifest(bytes: Uint8Array): ManifestReading {
  const frame = readFrame(format, bytes);
  if (frame.type === "bad") return frame;
  const { version, body } = frame;
  if (version > format.version)
    return bad(`has format version ${version}, and this program knows versions up to ${format.version}`);
  return body.length < fixedBytes ? bad("is too short") : decodeBody(body);
}

function decodeBody(body: Uint8Array): ManifestReading {
  const view = viewOf(body);
  const count = view.getUint32(8, true);
  if (count === 0 || body.length !== fixedBytes + count * segmentBytes) return bad("has another length than its segments");
  const segments: SegmentFacts[] = [];
  for (let at = fixedBytes; at < body.length; at += segmentBytes) {
    const segment = getSegment(view, at);
    if (segment === undefined || !fits(segments.at(-1), segment, at + segmentBytes === body.length))
      return bad("has segments that do not follow each other");
    segments.push(segment);
  }
  return { type: "ok", manifest: { logSalt: view.getUint32(0, true), nextSequence: view.getUint32(4, true), segments } };
}

function getSegment(view: DataView, at: number): SegmentFacts | undefined {
  const prev = getZxid(view, at + 8);
  const last = getZxid(view, at + 16);
  if (prev === undefined || last === undefined) return undefined;
  const sealed = view.getUint32(at + 28, true) === 1;
  return {
    sequence: view.getUint32(at, true),
    alignment: view.getUint32(at + 4, true),
    prev,
    last,
    end: view.getUint32(at + 24, true),
    bytes: view.getUint32(at + 32, true),
    sealed,
  };
}

function fits(before: SegmentFacts | undefined, segment: SegmentFacts, isLast: boolean): boolean {
  if (segment.sealed === isLast || segment.alignment === 0) return false;
  return before === undefined || (before.last === segment.prev && before.sequence < segment.sequence);
}

/** The last zxid before the log's first entry. */
export function baseOf(manifest: Manifest): Zxid {
  return (manifest.segments[0] as SegmentFacts).prev;
}

function bad(reason: string): ManifestReading {
  return { type: "bad", reason };
}
