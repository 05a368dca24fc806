/** What watchers are told is a function of the txn alone, and agrees with the tree after it. */
import t from "tap";
import { changesOf } from "../../src/tree/changes.ts";
import { aliceAcl, create, Harness, multi, must, remove, set, txnOf } from "./harness.ts";

t.test("every effect is told once, in order, with the stat that the tree has", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  const told = (request: Parameters<Harness["write"]>[1]): string[] => {
    const txn = txnOf(harness.pipeline(session, request));
    harness.apply();
    return changesOf(txn).map((change) => {
      t.equal(change.zxid, txn.zxid);
      const node = harness.machine.node(change.path);
      if (change.type !== "deleted" && node !== undefined && txn.body.type !== "multi") {
        t.same(change.stat, harness.machine.statOf(node));
        t.equal(change.acl, node.acl);
        if (change.type !== "aclChanged") t.same(change.data, node.data);
      } else if (change.type === "deleted") t.same([change.stat, change.data], [undefined, undefined]);
      return `${change.type} ${change.path}`;
    });
  };
  t.same(told(create("/a")), ["created /a"]);
  t.same(told(create("/a/e", { kind: "ephemeral" })), ["created /a/e"]);
  t.same(told(create("/a/s", { sequential: true })), ["created /a/s0000000001"]);
  t.same(told(set("/a", "y")), ["dataChanged /a"]);
  t.same(told({ type: "setAcl", path: "/a/s0000000001", acl: aliceAcl, version: -1 }), ["aclChanged /a/s0000000001"]);
  t.same(told(multi([create("/m"), { type: "check", path: "/m", version: 0 }, set("/m", "z"), remove("/m")])), [
    "created /m",
    "dataChanged /m",
    "deleted /m",
  ]);
  t.same(told(multi([create("/m"), remove("/none")])), [], "a refusal changes nothing");
  t.same(told({ type: "skip" }), []);
  t.same(told({ type: "renewSession", timeoutMs: 3_000, generation: 0 }), []);
  t.same(told({ type: "deleteRecursive", path: "/a" }), ["deleted /a/e", "deleted /a/s0000000001", "deleted /a"]);
  told(create("/e2", { kind: "ephemeral" }));
  told(create("/e1", { kind: "ephemeral" }));
  t.same(told({ type: "closeSession" }), ["deleted /e1", "deleted /e2"]);
});

t.test("a deleted node is told with the ACL it had", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.write(session, create("/p", { acl: aliceAcl }));
  const acl = must(harness.machine.aclIdOf("/p"));
  const txn = txnOf(harness.pipeline(session, remove("/p")));
  t.equal(changesOf(txn)[0]?.acl, acl);
});
