/** Where a write comes from; the same fields (12, 13, 14) in a Txn and in a forwarded Write. */
import { assertNever } from "../model/assert.ts";
import type { TxnSource } from "../model/request.ts";
import { noSession, readSession } from "./common-codec.ts";
import type { Reader, Writer } from "./cursor.ts";

export function encodeSource(w: Writer, source: TxnSource): void {
  switch (source.type) {
    case "session":
      return encodeSessionSource(w, source);
    case "origin":
      return encodeOriginSource(w, source);
    case "internal":
      return encodeInternalSource(w, source);
    default:
      return assertNever(source);
  }
}

/** `tag` is one of 98, 106, 114. */
export function decodeSource(r: Reader, tag: number): TxnSource {
  if (tag === 98) return decodeSessionSource(r);
  return tag === 106 ? decodeOriginSource(r) : decodeInternalSource(r);
}

type SourceOf<Type extends TxnSource["type"]> = Extract<TxnSource, { readonly type: Type }>;

function encodeSessionSource(w: Writer, source: SourceOf<"session">): void {
  const mark = w.open(98);
  w.uint(8, source.session);
  w.uint(16, source.seq);
  w.uint(24, source.ackedSeq);
  w.close(mark);
}

function decodeSessionSource(r: Reader): TxnSource {
  const mark = r.enter();
  let session = noSession;
  let seq = 0;
  let ackedSeq = 0;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        session = readSession(r);
        break;
      case 16:
        seq = r.uint();
        break;
      case 24:
        ackedSeq = r.uint();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "session", session, seq, ackedSeq };
}

function encodeOriginSource(w: Writer, source: SourceOf<"origin">): void {
  const mark = w.open(106);
  w.uint(8, source.session);
  w.uint(16, source.server);
  w.uint(24, source.boot);
  w.uint(32, source.counter);
  w.close(mark);
}

function decodeOriginSource(r: Reader): TxnSource {
  const mark = r.enter();
  let session = noSession;
  let server = 0;
  let boot = 0;
  let counter = 0;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        session = readSession(r);
        break;
      case 16:
        server = r.uint();
        break;
      case 24:
        boot = r.uint();
        break;
      case 32:
        counter = r.uint();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "origin", session, server, boot, counter };
}

function encodeInternalSource(w: Writer, source: SourceOf<"internal">): void {
  const mark = w.open(114);
  w.uint(8, source.session);
  w.close(mark);
}

function decodeInternalSource(r: Reader): TxnSource {
  const mark = r.enter();
  let session = noSession;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) session = readSession(r);
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "internal", session };
}
