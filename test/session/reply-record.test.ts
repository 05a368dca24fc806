/** A session's record keeps everything that is replicated of it. */
import t from "tap";
import { ByteReader, ByteWriter } from "../../src/model/bytes.ts";
import { type ErrorCode, errorTable } from "../../src/model/error.ts";
import { failure, type Outcome, okOutcome, success } from "../../src/model/request.ts";
import type { Stat } from "../../src/model/stat.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import { readOutcome, writeOutcome } from "../../src/session/reply-record.ts";
import { ReplyTable } from "../../src/session/reply-table.ts";
import { decodeSession, encodeSession, SessionRecord } from "../../src/session/session-record.ts";

const big = Number.MAX_SAFE_INTEGER as Zxid;
const stat: Stat = {
  czxid: big,
  mzxid: 1 as Zxid,
  pzxid: 2 as Zxid,
  ctimeMs: -1,
  mtimeMs: 1_700_000_000_000,
  version: -2_147_483_648,
  cversion: -1,
  aversion: 2_147_483_647,
  ephemeralOwner: big as number as SessionId,
  dataLength: 1_048_576,
  numChildren: 7,
};
const created = success({ type: "created", path: "/a/é\u4e00", stat });
const codes = Object.keys(errorTable) as ErrorCode[];
const outcomes: Outcome[] = [
  okOutcome,
  created,
  success({ type: "stat", stat }),
  success({ type: "session", session: 5 as SessionId }),
  success({ type: "multi", branch: "otherwise", outcomes: [created, okOutcome] }),
  {
    code: "NO_NODE",
    detail: "why",
    result: { type: "multi", branch: "then", outcomes: [okOutcome, failure("NO_NODE", "why"), failure("RUNTIME_INCONSISTENCY")] },
  },
  ...codes.map((code) => failure(code, "detail \ud800 x")),
];

t.test("outcomes survive", async (t) => {
  for (const outcome of outcomes) {
    const writer = new ByteWriter();
    writeOutcome(writer, outcome);
    const reader = new ByteReader(writer.take());
    t.same(readOutcome(reader), outcome);
    t.equal(reader.remaining, 0);
  }
});

t.test("results that a write cannot have are refused", async (t) => {
  t.throws(() => writeOutcome(new ByteWriter(), success({ type: "count", count: 1 })), { name: "InvariantError" });
});

t.test("a session's record survives, with its table", async (t) => {
  const session = new SessionRecord(9 as SessionId, 4_000, new Uint8Array(32).fill(3), new ReplyTable(0));
  for (const [index, outcome] of outcomes.entries()) session.replies.add(index + 1, (index + 10) as Zxid, outcome, index + 1);
  session.replies.acknowledge(2);
  const copy = decodeSession(encodeSession(session));
  t.same([copy.id, copy.timeoutMs, copy.passwordHash], [session.id, session.timeoutMs, session.passwordHash]);
  t.same([copy.replies.ackedSeq, copy.replies.lastSeq, copy.replies.bytes], [2, outcomes.length, session.replies.bytes]);
  t.equal(copy.proposedLastSeq, outcomes.length);
  t.equal(copy.replies.get(2), undefined);
  for (let seq = 3; seq <= outcomes.length; seq += 1) {
    t.same(copy.replies.get(seq)?.outcome, outcomes[seq - 1]);
    t.equal(copy.replies.get(seq)?.zxid, seq + 9);
  }
});

t.test("the table holds exactly (ackedSeq, lastSeq] over many writes", async (t) => {
  const table = new ReplyTable(0);
  for (let seq = 1; seq <= 1_000; seq += 1) {
    table.add(seq, seq as Zxid, okOutcome, 10);
    table.acknowledge(seq - 5);
    if (seq <= 5) continue;
    if (table.get(seq - 5) !== undefined || table.get(seq + 1) !== undefined) return t.fail("holds too much");
    for (let held = seq - 4; held <= seq; held += 1) if (table.get(held)?.zxid !== held) return t.fail("holds too little");
    if (table.bytes !== 50 || table.lastSeq !== seq) return t.fail("counts wrong");
  }
  t.throws(() => table.add(5, 5 as Zxid, okOutcome, 1), { name: "InvariantError" });
  table.acknowledge(5_000);
  return t.same([table.ackedSeq, table.lastSeq, table.bytes], [1_000, 1_000, 0], "not beyond the last");
});
