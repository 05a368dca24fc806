/**
 * Random histories: every replica that applies the same txns agrees, prepare never throws on any
 * write, and the tree keeps its algebra (stats, descendants, ephemerals and their owners).
 */
import fc from "fast-check";
import t from "tap";
import { type Acl, type AuthId, openAcl } from "../../src/model/acl.ts";
import { tinyLimits } from "../../src/model/limits.ts";
import type { Condition, MultiOperation, Outcome, TxnSource, WriteRequest } from "../../src/model/request.ts";
import { type SessionId, type Zxid, zeroZxid } from "../../src/model/zxid.ts";
import { StateMachine } from "../../src/replica/state-machine.ts";
import { MemoryStore, walkPaths } from "../../src/tree/memory-store.ts";
import type { Txn } from "../../src/tree/txn.ts";
import { alice, aliceAcl, create, createdPath, Harness, multi, must, remove, world } from "./harness.ts";

const somePaths = [
  "/a",
  "/b",
  "/a/x",
  "/a/y",
  "/a/x/1",
  "/c",
  "/c/1",
  "/zookeeper/z",
  "/",
  "/zookeeper",
  "nonsense",
  "/a//b",
  "",
  "/a/",
];
const path = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...somePaths) },
  { weight: 1, arbitrary: fc.string({ maxLength: 8 }).map((text) => `/${text}`) },
);
const version = fc.oneof(
  { weight: 4, arbitrary: fc.constant(-1) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 2 }) },
  { weight: 1, arbitrary: fc.double() },
);
const data = fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined });
const someAcls: readonly Acl[] = [
  [{ perms: 31, scheme: "world", id: "anyone" }],
  aliceAcl,
  [{ perms: 31, scheme: "auth", id: "" }],
  [{ perms: 1, scheme: "world", id: "anyone" }, ...aliceAcl],
  [{ perms: 1, scheme: "ip", id: "10.0.0.0/8" }],
  [],
];
const acl = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...someAcls) },
  { weight: 1, arbitrary: fc.array(fc.record({ perms: fc.double(), scheme: fc.string(), id: fc.string() }), { maxLength: 3 }) },
);
const createArbitrary = fc
  .record({
    type: fc.constant("create" as const),
    path,
    data,
    acl,
    sequential: fc.boolean(),
    kind: fc.constantFrom(
      "persistent" as const,
      "persistent" as const,
      "persistent" as const,
      "ephemeral" as const,
      "container" as const,
      "ttl" as const,
    ),
    ttlMs: fc.constantFrom(0, 5, 100, Number.NaN, -1),
    mend: fc.integer({ min: 0, max: 9 }),
  })
  .map(({ mend, ...request }) => {
    // Mostly what can succeed, so that trees grow.
    if (mend === 0) return request;
    const ttlMs = request.kind === "ttl" ? Math.max(1, request.ttlMs || 1) : 0;
    return {
      ...request,
      ttlMs,
      sequential: request.sequential && mend < 4,
      acl: request.acl.length > 0 && mend < 3 ? request.acl : openAcl,
    };
  });
const operation: fc.Arbitrary<MultiOperation> = fc.oneof(
  createArbitrary,
  fc.record({ type: fc.constant("delete" as const), path, version }),
  fc.record({ type: fc.constant("setData" as const), path, data, version }),
  fc.record({ type: fc.constant("check" as const), path, version }),
);
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ type: fc.constantFrom("absent" as const, "present" as const), path }),
  fc.record({ type: fc.constant("version" as const), path, version }),
  fc.record({ type: fc.constant("value" as const), path, data: fc.uint8Array({ maxLength: 3 }) }),
  fc.record({ type: fc.constant("czxid" as const), path, czxid: fc.constant(zeroZxid) }),
);
const request: fc.Arbitrary<WriteRequest> = fc.oneof(
  { weight: 8, arbitrary: createArbitrary },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("delete" as const), path, version }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("setData" as const), path, data, version }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("setAcl" as const), path, acl, version }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("deleteRecursive" as const), path }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("multi" as const),
      conditions: fc.array(condition, { maxLength: 2 }),
      then: fc.array(operation, { maxLength: 5 }),
      otherwise: fc.option(fc.array(operation, { maxLength: 3 }), { nil: undefined }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("createSession" as const),
      timeoutMs: fc.double(),
      passwordHash: fc.constantFrom(new Uint8Array(32), new Uint8Array(1)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("renewSession" as const), timeoutMs: fc.double(), generation: fc.double() }),
  },
  { weight: 1, arbitrary: fc.constantFrom<WriteRequest>({ type: "closeSession" }, { type: "skip" }) },
);

interface Step {
  readonly kind: "native" | "nativeGap" | "origin" | "internal" | "garbage" | "reap" | "apply" | "applyAll" | "reset" | "restart";
  readonly who: number;
  readonly number: number;
  readonly request: WriteRequest;
  readonly guards: readonly { readonly path: string; readonly czxid: Zxid }[];
  readonly identified: boolean;
}
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom<Step["kind"]>(
    ...Array<Step["kind"]>(12).fill("native"),
    ...Array<Step["kind"]>(6).fill("origin"),
    ...Array<Step["kind"]>(5).fill("apply"),
    "nativeGap",
    "internal",
    "internal",
    "garbage",
    "reap",
    "applyAll",
    "applyAll",
    "reset",
    "restart",
  ),
  who: fc.nat({ max: 3 }),
  number: fc.oneof(fc.nat({ max: 8 }), fc.double()),
  request,
  guards: fc.oneof(
    { weight: 9, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(fc.record({ path, czxid: fc.constant(zeroZxid) }), { maxLength: 5 }) },
  ),
  identified: fc.boolean(),
});

/** A leader under random writes, and two replicas: one applies every txn, the other restarts from its store now and then. */
class Ensemble {
  readonly leader = new Harness({ limits: tinyLimits });
  readonly follower = new Harness({ limits: tinyLimits });
  restarting = new StateMachine(new MemoryStore(), tinyLimits);
  #store = new MemoryStore();
  #counter = 0;

  constructor() {
    this.restarting = new StateMachine(this.#store, tinyLimits);
    for (let i = 0; i < 2; i += 1) {
      this.leader.session();
      this.#replicate(must(this.leader.log.at(-1)), undefined);
    }
  }

  take(step: Step): void {
    const { leader } = this;
    leader.stampMs += 3;
    const sessions = [...leader.machine.sessions()].map((session) => session.id);
    const session = sessions[step.who % Math.max(1, sessions.length)] ?? (1 as SessionId);
    if (step.kind === "apply") this.#apply(1);
    else if (step.kind === "applyAll") this.#apply(1_000);
    else if (step.kind === "reset") this.#lead();
    else if (step.kind === "restart") this.#restart();
    else if (step.kind === "reap") this.#reap();
    else
      leader.prepare({
        source: this.#source(step, session),
        request: step.request,
        guards: step.guards,
        identities: step.identified ? [world, alice] : ([world] as AuthId[]),
      });
  }

  #source(step: Step, session: SessionId): TxnSource {
    const position = this.leader.machine.replyPosition(session);
    const outstanding = this.leader.queue.filter((txn) => txn.source.type === "session" && txn.source.session === session).length;
    const seq = position.lastSeq + outstanding + 1;
    if (step.kind === "native" && step.request.type !== "createSession")
      return { type: "session", session, seq, ackedSeq: Math.max(0, seq - 4) };
    if (step.kind === "nativeGap") return { type: "session", session, seq: seq - 2 + (step.who % 4), ackedSeq: step.number };
    if (step.kind === "internal") return { type: "internal", session: step.who === 0 ? 0 : session };
    if (step.kind === "garbage")
      return { type: "origin", session: step.number as SessionId, server: step.number, boot: step.number, counter: step.number };
    return {
      type: "origin",
      session: step.request.type === "createSession" ? 0 : session,
      server: 1 + (step.who % 2),
      boot: 5,
      counter: (this.#counter += 1),
    };
  }

  #reap(): void {
    const { machine } = this.leader;
    const context = this.leader.context();
    const txn = machine.prepareReap([...machine.dueForReaping(context.stampMs, 5), "/a", "/c", ""], context);
    if (txn !== undefined) this.leader.enqueue(txn);
  }

  /** A new leader, in a new epoch, whose initial history is all that is in flight. */
  #lead(): void {
    this.leader.machine.resetOutstanding();
    if (this.leader.queue.length % 2 === 0) for (const txn of this.leader.queue) this.leader.machine.adopt(txn);
    else this.#apply(1_000);
    this.leader.epoch += 1;
    this.leader.counter = 0;
  }

  #apply(count: number): void {
    for (let i = 0; i < count; i += 1) {
      const [outcome] = this.leader.apply(1);
      if (outcome === undefined) return;
      this.#replicate(must(this.leader.log.at(-1)), outcome);
    }
  }

  #replicate(txn: Txn, outcome: Outcome | undefined): void {
    for (const machine of [this.follower.machine, this.restarting]) {
      const same = machine.apply(txn);
      if (outcome !== undefined && JSON.stringify(same) !== JSON.stringify(outcome))
        throw new Error(`outcomes differ: ${JSON.stringify(txn)}`);
      if (machine.digestHigh !== this.leader.machine.digestHigh || machine.digestLow !== this.leader.machine.digestLow)
        throw new Error(`digests differ: ${JSON.stringify(txn)}`);
    }
  }

  #restart(): void {
    this.restarting.writeRecords();
    this.restarting = new StateMachine(this.#store, tinyLimits);
  }

  finish(): string[] {
    this.#apply(1_000_000);
    const wrong = treeErrors(this.leader);
    if (this.leader.recomputed() !== this.leader.digest()) wrong.push(`digest: ${this.leader.recomputed()}`);
    const { high, low } = this.restarting.recomputeDigest((path) => wrong.push(path));
    if (`${high}:${low}` !== this.leader.digest()) wrong.push("digest of the restarted replica");
    return wrong;
  }
}

/** Stat algebra and ephemerals, from a plain scan of the tree. */
function treeErrors(harness: Harness): string[] {
  const wrong: string[] = [];
  const live = new Set([...harness.machine.sessions()].map((session) => session.id));
  let ephemerals = 0;
  let znodes = 0;
  for (const at of walkPaths(harness.store, "/")) {
    const node = must(harness.machine.node(at));
    const below = [...walkPaths(harness.store, at)].length - 1;
    znodes += 1;
    if (node.descendants !== below) wrong.push(`${at}: descendants ${node.descendants}, not ${below}`);
    const bytes = [...walkPaths(harness.store, at)].reduce(
      (sum, path) => sum + (harness.machine.node(path)?.data?.length ?? 0),
      0,
    );
    if (node.bytesBelow + (node.data?.length ?? 0) !== bytes) wrong.push(`${at}: bytesBelow ${node.bytesBelow}, not ${bytes}`);
    if (node.numChildren !== harness.children(at).length) wrong.push(`${at}: numChildren`);
    if (node.czxid > node.mzxid || node.czxid > node.pzxid || (node.czxid > 0 && node.childCreates < node.numChildren))
      wrong.push(`${at}: zxids or counters`);
    if (node.owner !== 0 && !live.has(node.owner)) wrong.push(`${at}: owner is dead`);
    if ((node.owner !== 0) !== (node.kind === "ephemeral")) wrong.push(`${at}: owner and kind`);
    if (node.owner !== 0) ephemerals += 1;
  }
  const counts = harness.machine.counts();
  if (counts.ephemerals !== ephemerals || counts.znodes !== znodes) wrong.push(`counts: ${JSON.stringify(counts)}`);
  return wrong;
}

t.test("replicas that apply the same txns agree, prepare never throws, and the tree keeps its algebra", async (t) => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
      const ensemble = new Ensemble();
      for (const each of steps) ensemble.take(each);
      const wrong = ensemble.finish();
      for (const txn of ensemble.leader.log) seen.add(txn.body.type === "error" ? txn.body.code : txn.body.type);
      if (wrong.length > 0) throw new Error(wrong.join("\n"));
    }),
    { numRuns: 400, seed: 20_260_718 },
  );
  const wanted = [
    "create",
    "delete",
    "setData",
    "setAcl",
    "multi",
    "deleteRecursive",
    "createSession",
    "renewSession",
    "closeSession",
    "reap",
    "skip",
    "NO_NODE",
    "NODE_EXISTS",
    "BAD_VERSION",
    "NOT_EMPTY",
    "NO_AUTH",
    "BAD_ARGUMENTS",
    "INVALID_ACL",
    "NO_CHILDREN_FOR_EPHEMERALS",
    "FENCED",
    "SESSION_EXPIRED",
    "CONDITION_FAILED",
  ];
  t.same(
    wanted.filter((name) => !seen.has(name)),
    [],
    "every kind of txn was met",
  );
});

t.test("a sequence number is never used twice", async (t) => {
  const harness = new Harness({ limits: tinyLimits });
  const session = harness.session();
  harness.write(session, create("/q"));
  const seen: string[] = [];
  for (let i = 0; i < 200; i += 1) {
    harness.pipeline(session, create("/q/", { sequential: true }));
    if (i % 3 === 0) harness.pipeline(session, multi([create("/q/", { sequential: true }), remove("/none")]));
    for (const outcome of harness.apply()) {
      if (outcome.result.type !== "created") continue;
      const name = createdPath(outcome);
      seen.push(name);
      if (i % 2 === 0) harness.write(session, remove(name));
    }
  }
  t.same(
    seen,
    seen.map((_, index) => `/q/${String(index).padStart(10, "0")}`),
  );
});
