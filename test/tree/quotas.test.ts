import t from "tap";
import { formatQuota, limitedPath, limitsPathOf, noQuota, parseQuota, type Quota, statsPathOf } from "../../src/model/quota.ts";
import type { WriteRequest } from "../../src/model/request.ts";
import { StateMachine } from "../../src/replica/state-machine.ts";
import { bytes, codes, create, Harness, limits, multi, remove, set, world } from "./harness.ts";

/** A tree with `/t` of one byte, and this quota on it. */
function withQuota(quota: Partial<Quota>, apply = true): { harness: Harness; session: ReturnType<Harness["session"]> } {
  const harness = new Harness();
  const session = harness.session();
  harness.write(session, create("/t"));
  harness.pipeline(session, create("/zookeeper/quota/t", { data: undefined }));
  harness.pipeline(session, create(statsPathOf("/t"), { data: bytes("count=-1,bytes=-1") }));
  harness.pipeline(session, create(limitsPathOf("/t"), { data: bytes(formatQuota({ ...noQuota, ...quota })) }));
  if (apply) harness.apply();
  return { harness, session };
}

function usage(harness: Harness, path = "/t"): string {
  const { result } = harness.machine.read(
    { type: "getData", path: statsPathOf(path), watch: false },
    { session: 0, identities: [world], nowMs: 0 },
  );
  if (result.type !== "data") return result.type;
  const text = String.fromCharCode(...(result.data ?? []));
  return result.stat.dataLength === text.length ? text : "a wrong dataLength";
}

t.test("the text of limits", async (t) => {
  const all = { count: 3, bytes: 4, countHardLimit: 5, byteHardLimit: 6 };
  t.equal(formatQuota(all), "count=3,bytes=4=;byteHardLimit=6;countHardLimit=5");
  t.equal(formatQuota({ ...noQuota, count: 3 }), "count=3,bytes=-1");
  for (const quota of [all, noQuota, { ...noQuota, byteHardLimit: 0 }]) t.same(parseQuota(formatQuota(quota)), quota);
  t.same(parseQuota("bytes=7,count=2"), { ...noQuota, bytes: 7, count: 2 });
  for (const text of ["", "nonsense", "count=x", "count=-7", "count=1e9", "=,;", "count=99999999999999999999"])
    t.same(parseQuota(text), noQuota, text);
  t.equal(limitedPath("/zookeeper/quota/a/b/zookeeper_limits"), "/a/b");
  for (const path of ["/zookeeper/quota/zookeeper_limits", "/zookeeper/quota/a", "/zookeeper/quotas/a/zookeeper_limits", "/a"])
    t.equal(limitedPath(path), undefined);
});

t.test("a hard limit of nodes, the path itself counted; deletes make room", async (t) => {
  const { harness, session } = withQuota({ countHardLimit: 3 });
  t.equal(harness.write(session, create("/t/a")).code, "OK");
  t.equal(harness.write(session, create("/t/a/b")).code, "OK");
  t.match(harness.write(session, create("/t/c")), { code: "QUOTA_EXCEEDED", detail: "countHardLimit of /t is 3" });
  t.equal(harness.write(session, set("/t/a", "much longer")).code, "OK", "bytes are free");
  t.equal(harness.write(session, create("/tt")).code, "OK", "a path that only begins alike is free");
  t.equal(harness.write(session, remove("/t/a/b")).code, "OK");
  t.equal(harness.write(session, create("/t/c")).code, "OK");
});

t.test("a hard limit of bytes; what shrinks always may", async (t) => {
  const { harness, session } = withQuota({ byteHardLimit: 10 });
  t.equal(harness.write(session, create("/t/a", { data: bytes("12345") })).code, "OK");
  t.match(harness.write(session, set("/t/a", "1234567890")), { code: "QUOTA_EXCEEDED", detail: "byteHardLimit of /t is 10" });
  t.equal(harness.write(session, set("/t/a", "123456789")).code, "OK");
  t.equal(harness.write(session, create("/t/b")).code, "QUOTA_EXCEEDED");
  t.equal(harness.write(session, create("/t/b", { data: undefined })).code, "OK", "no bytes, no question");
  harness.write(session, set(limitsPathOf("/t"), formatQuota({ ...noQuota, byteHardLimit: 2 })));
  t.equal(harness.write(session, set("/t/a", "12345678")).code, "OK", "still over, but less");
  t.equal(harness.write(session, set("/t/a", "123456789")).code, "QUOTA_EXCEEDED");
});

t.test("the order of checks: after the place, before the version", async (t) => {
  const { harness, session } = withQuota({ countHardLimit: 1, byteHardLimit: 1 });
  t.equal(harness.write(session, create("/t/none/x")).code, "NO_NODE");
  t.equal(harness.write(session, create("/t")).code, "NODE_EXISTS");
  t.equal(harness.write(session, set("/t/none", "xx")).code, "NO_NODE");
  t.equal(harness.write(session, set("/t", "xx", 9)).code, "QUOTA_EXCEEDED");
  t.equal(harness.write(session, set("/t", "y", 9)).code, "BAD_VERSION");
});

t.test("outstanding writes count, a multi's own too, and what is rolled back does not", async (t) => {
  const { harness, session } = withQuota({ countHardLimit: 3 }, false);
  harness.pipeline(session, create("/t/a"));
  harness.pipeline(session, multi([create("/t/b"), create("/t/c")]));
  harness.pipeline(session, create("/t/d"));
  harness.pipeline(session, remove("/t/a"));
  harness.pipeline(session, create("/t/e"));
  harness.pipeline(session, create("/t/f"));
  const outcomes = harness.apply().slice(-6);
  t.same(
    outcomes.map(({ code }) => code),
    ["OK", "QUOTA_EXCEEDED", "OK", "OK", "OK", "QUOTA_EXCEEDED"],
  );
  t.same(codes(outcomes[1] ?? (outcomes[0] as never)), ["OK", "QUOTA_EXCEEDED"]);
  t.equal(usage(harness), "count=3,bytes=3");
  harness.pipeline(session, remove(limitsPathOf("/t")));
  t.equal(harness.write(session, create("/t/g")).code, "OK", "an outstanding delete of the limits ends the quota");
});

t.test("the longest prefix counts alone; the root has no quota", async (t) => {
  const { harness, session } = withQuota({ countHardLimit: 2 });
  harness.write(session, create("/t/in"));
  harness.write(session, create("/zookeeper/quota/t/in"));
  harness.write(session, create(limitsPathOf("/t/in"), { data: bytes("count=1,bytes=-1") }));
  harness.write(session, create(limitsPathOf(""), { data: bytes("count=1,bytes=-1=;byteHardLimit=0;countHardLimit=0") }));
  t.equal(harness.write(session, create("/t/in/x")).code, "OK");
  t.equal(harness.write(session, create("/t/x")).code, "QUOTA_EXCEEDED");
  t.equal(harness.write(session, create("/other")).code, "OK");
});

t.test("soft limits are told of, once in a while, and refuse nothing", async (t) => {
  const { harness, session } = withQuota({ count: 1, bytes: 3 });
  harness.write(session, create("/t/a"));
  harness.write(session, create("/t/b"));
  t.same(harness.machine.takeQuotaWarnings(), ["the quota of /t is passed: count 2, limit 1"]);
  harness.stampMs += 60_000;
  harness.write(session, set("/t/a", "long"));
  t.same(harness.machine.takeQuotaWarnings(), ["the quota of /t is passed: bytes 6, limit 3"]);
  t.same(harness.machine.takeQuotaWarnings(), []);
});

t.test("usage is shown by the stats node whatever it holds; quotas are there after a restart, and move nothing", async (t) => {
  const { harness, session } = withQuota({ countHardLimit: 2 });
  t.equal(usage(harness), "count=1,bytes=1");
  harness.write(session, create("/t/a", { data: bytes("abc") }));
  t.equal(usage(harness), "count=2,bytes=4");
  t.equal(harness.recomputed(), harness.digest());
  harness.machine.writeRecords();
  const again = new StateMachine(harness.store, limits);
  const restarted = new Harness({ store: harness.store });
  t.equal(restarted.machine.digestHigh, again.digestHigh);
  const write = (request: WriteRequest) => {
    restarted.origin(session, request, { boot: 78 });
    return restarted.apply()[0]?.code;
  };
  t.equal(write(create("/t/b")), "QUOTA_EXCEEDED");
  write(remove("/t/a"));
  write(remove("/t"));
  t.equal(usage(restarted), "count=0,bytes=0");
  t.equal(write(create("/t")), "OK");
});
