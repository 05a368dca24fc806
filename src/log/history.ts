/**
 * Reads entries back from the segments: for learners that lag and for streams that resume. All is checked
 * again, and damage found here stops the server (InvariantError): after a restart recovery tells what it is.
 * Called by the log with durable entries only, so everything it meets must be good.
 */
import { assert, must } from "../model/assert.ts";
import type { Zxid } from "../model/zxid.ts";
import type { Disk } from "./disk.ts";
import type { LogEntry } from "./entry.ts";
import { FileWindow } from "./file-window.ts";
import { alignUp, type BatchHeader, batchHeaderBytes, getBatchHeader, RecordCursor } from "./format.ts";
import type { Segment } from "./segment.ts";

const windowBytes = 128 * 1024;

export interface HistoryRange {
  readonly after: Zxid;
  readonly until: Zxid;
  /** Of payload; one entry is returned in any case. */
  readonly bytesMax: number;
}

export function readHistory(disk: Disk, segments: readonly Segment[], range: HistoryRange): LogEntry[] {
  const found: LogEntry[] = [];
  let room = range.bytesMax;
  for (const segment of segments) {
    if (segment.last <= range.after || segment.prev >= range.until) continue;
    room = readSegment(disk, segment, range, room, found);
    if (room < 0) break;
  }
  return found;
}

/** Adds what the segment has of the range to `found`. Returns the room left, negative when it is used up. */
function readSegment(disk: Disk, segment: Segment, range: HistoryRange, room: number, found: LogEntry[]): number {
  const window = new FileWindow(disk, segment.file, windowBytes);
  const until = Math.min(range.until, segment.last);
  let left = room;
  let offset = segment.offsetBefore(range.after);
  while (offset < segment.end && left >= 0) {
    const header = headerAt(window, segment, offset);
    if (header.prev >= until) break;
    if (header.last > range.after) {
      const cursor = cursorOf(window, segment, offset, header);
      left = readBatch(cursor, range.after, until, left, found);
      assert(!cursor.bad, `log damaged: ${segment.file} in the batch at offset ${offset}`);
    }
    offset = alignUp(offset + batchHeaderBytes + header.bodyBytes, segment.alignment);
  }
  return left;
}

function readBatch(cursor: RecordCursor, after: Zxid, until: number, room: number, found: LogEntry[]): number {
  let left = room;
  while (cursor.zxid < until && cursor.next()) {
    if (cursor.zxid <= after) continue;
    left -= cursor.payloadBytes;
    if (left < 0 && found.length > 0) return left;
    found.push({ zxid: cursor.zxid, payload: cursor.payload() });
    if (left < 0) return left;
  }
  return left;
}

/** The offset behind the record of `zxid`, an entry of the segment: where a cut after it ends the segment. */
export function findRecordEnd(disk: Disk, segment: Segment, zxid: Zxid): number {
  const window = new FileWindow(disk, segment.file, windowBytes);
  let offset = segment.offsetBefore((zxid - 1) as Zxid);
  while (true) {
    const header = headerAt(window, segment, offset);
    const bytes = batchHeaderBytes + header.bodyBytes;
    if (header.last === zxid && header.entries > 0) return offset + bytes;
    if (header.last > zxid) {
      const cursor = cursorOf(window, segment, offset, header);
      while (cursor.zxid < zxid) assert(cursor.next(), `log damaged: ${segment.file} in the batch at offset ${offset}`);
      return offset + cursor.end - window.show(offset, bytes);
    }
    offset = alignUp(offset + bytes, segment.alignment);
  }
}

function headerAt(window: FileWindow, segment: Segment, offset: number): BatchHeader {
  const at = window.show(offset, batchHeaderBytes);
  const header = offset < segment.end ? getBatchHeader(window.bytes, at, offset, segment.sequence, segment.salt) : undefined;
  return must(header, `log damaged: ${segment.file} at offset ${offset}`);
}

function cursorOf(window: FileWindow, segment: Segment, offset: number, header: BatchHeader): RecordCursor {
  const bytes = batchHeaderBytes + header.bodyBytes;
  const at = window.show(offset, bytes);
  // A segment that was cut inside this batch ends before the batch does.
  const end = at + Math.min(bytes, segment.end - offset);
  assert(end <= window.bytes.length, `log damaged: ${segment.file} is cut short`);
  return new RecordCursor(window.bytes, at + batchHeaderBytes, end, header.prev, segment.salt);
}
