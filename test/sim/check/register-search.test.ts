/** The search for linearizations judges right: hand-made histories, and random valid ones with one answer changed. */
import t from "tap";
import { openAcl } from "../../../src/model/acl.ts";
import { failure, type Outcome, okOutcome, type Request, success } from "../../../src/model/request.ts";
import type { Zxid } from "../../../src/model/zxid.ts";
import { History, type Operation } from "../history.ts";
import { Random } from "../random.ts";
import { beginningOf, linearizable, registerPath } from "./register-search.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const set = (text: string): Request => ({ type: "setData", path: registerPath, data: bytes(text), version: -1 });
const remove: Request = { type: "delete", path: registerPath, version: -1 };
const get: Request = { type: "getData", path: registerPath, watch: false };
const create = (text: string): Request => ({
  type: "create",
  path: registerPath,
  data: bytes(text),
  kind: "persistent",
  sequential: false,
  ttlMs: 0,
  acl: openAcl,
});
const read = (text: string): Outcome => success({ type: "data", data: bytes(text), stat: {} as never });
const absent = failure("NO_NODE");

/** A call from `from` to `to`; without an outcome its end is unknown. */
function call(request: Request, from: number, to: number, outcome?: Outcome): Operation {
  const history = new History();
  const operation = history.begin({
    client: 1,
    session: 1 as never,
    request,
    isWrite: request.type !== "getData",
    level: { type: "linearizable" },
    seq: 0,
    guards: [],
    invokedAt: from,
    sessionFloor: 0 as Zxid,
  });
  if (outcome === undefined) operation.state = "unknown";
  else history.end(operation, to, 0 as Zxid, outcome);
  return operation;
}

const made = call(create("a"), 0, 1, okOutcome);

t.test("good histories", (t) => {
  const good: Record<string, Operation[]> = {
    "in order": [made, call(set("b"), 2, 3, okOutcome), call(get, 4, 5, read("b"))],
    "a read during a write sees either": [
      made,
      call(set("b"), 2, 9, okOutcome),
      call(get, 3, 4, read("a")),
      call(get, 5, 6, read("b")),
    ],
    "an unknown write that happened": [made, call(set("b"), 2, 3), call(get, 4, 5, read("b"))],
    "an unknown write that did not": [made, call(set("b"), 2, 3), call(get, 4, 5, read("a"))],
    "an unknown write that happened late": [made, call(set("b"), 2, 3), call(get, 4, 5, read("a")), call(get, 6, 7, read("b"))],
    "deleted and made again": [made, call(remove, 2, 3, okOutcome), call(get, 4, 5, absent), call(create("c"), 6, 7, okOutcome)],
    "two creates at once": [call(create("a"), 0, 5, failure("NODE_EXISTS")), call(create("b"), 0, 5, okOutcome)],
  };
  for (const [name, operations] of Object.entries(good)) t.equal(linearizable(operations), true, name);
  t.end();
});

t.test("bad histories", (t) => {
  const bad: Record<string, Operation[]> = {
    "a stale read": [made, call(set("b"), 2, 3, okOutcome), call(get, 4, 5, read("a"))],
    "a value that nobody wrote": [made, call(get, 2, 3, read("z"))],
    "back and forth": [made, call(set("b"), 2, 9, okOutcome), call(get, 3, 4, read("b")), call(get, 5, 6, read("a"))],
    "a lost write": [made, call(set("b"), 2, 3, okOutcome), call(set("c"), 4, 5, okOutcome), call(get, 6, 7, read("b"))],
    "two creates succeed": [made, call(create("b"), 2, 3, okOutcome)],
    "deleted twice": [made, call(remove, 2, 3, okOutcome), call(remove, 4, 5, okOutcome)],
    "an unknown write before it was called": [made, call(get, 2, 3, read("b")), call(set("b"), 4, 5)],
    "an unknown write twice": [
      made,
      call(set("b"), 2, 3),
      call(get, 4, 5, read("b")),
      call(set("c"), 6, 7, okOutcome),
      call(get, 8, 9, read("b")),
    ],
  };
  for (const [name, operations] of Object.entries(bad)) t.equal(linearizable(operations), false, name);
  t.end();
});

t.test("of a history that is cut short, what was open at the cut says nothing", (t) => {
  const slowRead = [made, call(get, 2, 9, read("b")), call(set("b"), 4, 5, okOutcome)];
  t.equal(linearizable(beginningOf(slowRead, 2)), true, "a read that shows what was written after the cut (seed 100344)");
  const slowWrite = [made, call(set("b"), 2, 9, okOutcome), call(set("c"), 4, 5, okOutcome), call(get, 6, 7, read("c"))];
  t.equal(linearizable(beginningOf(slowWrite, 2)), true, "a write that was open");
  const ended = [made, call(get, 2, 3, read("z")), call(set("b"), 4, 5, okOutcome)];
  t.equal(linearizable(beginningOf(ended, 2)), false, "what had returned is judged");
  t.equal(beginningOf(ended, 3), ended, "nothing is cut");
  t.end();
});

t.test("random valid histories, and the same with one read changed", (t) => {
  const random = new Random(7);
  let refused = 0;
  for (let round = 0; round < 200; round += 1) {
    const operations = [made];
    let value = "a";
    for (let i = 0; i < 25; i += 1) {
      // It takes effect at `at`, somewhere inside its call.
      const at = 10 + i * 10;
      const from = at - random.between(0, 25);
      const to = at + random.between(0, 25);
      if (random.chance(0.5)) operations.push(call(get, from, to, read(value)));
      else {
        value = `v${i}`;
        operations.push(call(set(value), from, to, okOutcome));
      }
    }
    t.equal(linearizable(operations), true, `history ${round}`);
    const reads = operations.filter((operation) => !operation.isWrite);
    if (reads.length === 0) continue;
    random.pick(reads).outcome = read("never written");
    if (linearizable(operations) === false) refused += 1;
  }
  t.ok(refused > 190, `${refused} changed histories were refused`);
  t.end();
});
