/**
 * One fault on three protocols: while a decision is being made, whoever makes it is cut off together with
 * one other server. Two-phase commit blocks, three-phase commit splits, ZAB does neither.
 */
import t from "tap";
import { virtualEnsemble } from "../virtual/ensemble.ts";
import { AtomicCommit } from "./atomic-commit.ts";

const names = ["a", "b", "c", "d"];

t.test("two-phase commit: those who are cut off wait, however long", async (t) => {
  const commit = AtomicCommit.twoPhase(names);
  commit.step();
  commit.step(["a"]);
  commit.cut(["a"]);
  for (let hour = 0; hour < 24; hour += 1) commit.timeOut();
  t.same(commit.phases, { a: "committed", b: "ready", c: "ready", d: "ready" }, "blocked");
  commit.heal();
  t.same(commit.phases, { a: "committed", b: "committed", c: "committed", d: "committed" }, "only the coordinator frees them");
});

t.test("two-phase commit: one who has not given its word lets the others abort", async (t) => {
  const commit = AtomicCommit.twoPhase(names);
  commit.step(["a", "b", "c"]);
  commit.cut([]);
  commit.timeOut();
  t.same(commit.phases, { a: "aborted", b: "aborted", c: "aborted", d: "aborted" });
});

t.test("three-phase commit: the two sides decide against each other", async (t) => {
  const commit = AtomicCommit.threePhase(names);
  commit.step();
  commit.step(["a"]);
  commit.cut(["a"]);
  commit.step();
  commit.timeOut();
  commit.heal();
  t.same(commit.phases, { a: "committed", b: "aborted", c: "aborted", d: "aborted" }, "split, for ever");
});

t.test("three-phase commit does not block where only the coordinator dies", async (t) => {
  const commit = AtomicCommit.threePhase(names);
  commit.step();
  commit.cut([]);
  commit.timeOut();
  t.same(commit.phases, { a: "aborted", b: "aborted", c: "aborted", d: "aborted" });
});

for (let seed = 1; seed <= 8; seed += 1) {
  t.test(`ZAB: the majority goes on, and all agree in the end, seed ${seed}`, async (t) => {
    const ensemble = virtualEnsemble({ seed, servers: 5 });
    await ensemble.run(async () => {
      const writer = await ensemble.client({ sessionTimeoutMs: 20_000 });
      await writer.create("/decision", "none");
      const leader = await ensemble.leader();
      const companion = (leader % 5) + 1;
      const rest = [1, 2, 3, 4, 5].filter((id) => id !== leader && id !== companion);
      const deciding = writer.set("/decision", "commit").then(() => "acknowledged");
      await ensemble.sleep(seed % 7);
      ensemble.partition([leader, companion]);
      const others = await ensemble.client({ servers: rest });
      const found = (await others.get("/decision")).text;
      await others.create("/went-on", "");
      t.ok(found === "commit" || found === "none", "the majority has one answer, and goes on");
      ensemble.heal();
      t.equal(await deciding, "acknowledged", "asked again in its session, it is applied once");
      for (const id of [1, 2, 3, 4, 5]) {
        const client = await ensemble.client({ servers: [id] });
        const { text, stat } = await client.get("/decision");
        t.same([text, stat.version], ["commit", 1], `server ${id} says what all say`);
        t.ok(await client.exists("/went-on"));
      }
    });
  });
}
