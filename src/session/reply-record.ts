/**
 * The stored form of an outcome in a session's reply table. Private to this server's store: it may
 * change with the store's format, not with a protocol. Only results that a write can have are known.
 */
import { InvariantError } from "../model/assert.ts";
import type { ByteReader, ByteWriter } from "../model/bytes.ts";
import { errorCode, errorNumber } from "../model/error.ts";
import { noResult, type Outcome, okOutcome, type Result } from "../model/request.ts";
import type { Stat } from "../model/stat.ts";
import type { SessionId, Zxid } from "../model/zxid.ts";

const tag = { none: 0, created: 1, stat: 2, multi: 3, session: 4 } as const;

export function writeOutcome(writer: ByteWriter, outcome: Outcome): void {
  writer.int(errorNumber(outcome.code));
  writer.text(outcome.detail);
  writeResult(writer, outcome.result);
}

function writeResult(writer: ByteWriter, result: Result): void {
  switch (result.type) {
    case "none":
      writer.u8(tag.none);
      return;
    case "created":
      writer.u8(tag.created);
      writer.text(result.path);
      writeStat(writer, result.stat);
      return;
    case "stat":
      writer.u8(tag.stat);
      writeStat(writer, result.stat);
      return;
    case "session":
      writer.u8(tag.session);
      writer.varint(result.session);
      return;
    case "multi":
      writer.u8(tag.multi);
      writer.u8(result.branch === "then" ? 0 : 1);
      writer.varint(result.outcomes.length);
      for (const outcome of result.outcomes) writeOutcome(writer, outcome);
      return;
    default:
      throw new InvariantError("a write cannot have this result");
  }
}

function writeStat(writer: ByteWriter, stat: Stat): void {
  writer.varint(stat.czxid);
  writer.varint(stat.mzxid);
  writer.varint(stat.pzxid);
  writer.f64(stat.ctimeMs);
  writer.f64(stat.mtimeMs);
  writer.int(stat.version);
  writer.int(stat.cversion);
  writer.int(stat.aversion);
  writer.varint(stat.ephemeralOwner);
  writer.varint(stat.dataLength);
  writer.varint(stat.numChildren);
}

export function readOutcome(reader: ByteReader): Outcome {
  const code = errorCode(reader.int());
  const detail = reader.text();
  const result = readResult(reader);
  return code === "OK" && detail === "" && result === noResult ? okOutcome : { code, detail, result };
}

function readResult(reader: ByteReader): Result {
  const kind = reader.u8();
  switch (kind) {
    case tag.none:
      return noResult;
    case tag.created:
      return { type: "created", path: reader.text(), stat: readStat(reader) };
    case tag.stat:
      return { type: "stat", stat: readStat(reader) };
    case tag.session:
      return { type: "session", session: reader.varint() as SessionId };
    case tag.multi:
      return readMulti(reader);
    default:
      throw new InvariantError("a reply record has an unknown result");
  }
}

function readMulti(reader: ByteReader): Result {
  const branch = reader.u8() === 0 ? "then" : "otherwise";
  const outcomes: Outcome[] = [];
  for (let left = reader.varint(); left > 0; left -= 1) outcomes.push(readOutcome(reader));
  return { type: "multi", branch, outcomes };
}

function readStat(reader: ByteReader): Stat {
  return {
    czxid: reader.varint() as Zxid,
    mzxid: reader.varint() as Zxid,
    pzxid: reader.varint() as Zxid,
    ctimeMs: reader.f64(),
    mtimeMs: reader.f64(),
    version: reader.int(),
    cversion: reader.int(),
    aversion: reader.int(),
    ephemeralOwner: reader.varint() as SessionId,
    dataLength: reader.varint(),
    numChildren: reader.varint(),
  };
}
