/** Two-phase commit against a real server: all or none, whoever dies. */
import t from "tap";
import type { Client } from "../../../client/index.ts";
import { type ParticipantWork, type ParticipateOptions, participate, transact } from "../../../client/recipes/index.ts";
import { until } from "../gate.ts";
import { code, loseSession, rejection, World } from "./world.ts";

/** What a participant did, in order. */
class Ledger implements ParticipantWork {
  readonly lines: string[] = [];
  able = true;
  failures = 0;

  readonly prepare = async (payload: unknown): Promise<boolean> => {
    this.lines.push(`prepare ${payload}`);
    return this.able;
  };
  readonly commit = async (payload: unknown): Promise<void> => {
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error("disk");
    }
    this.lines.push(`commit ${payload}`);
  };
  readonly abort = async (payload: unknown): Promise<void> => {
    this.lines.push(`abort ${payload}`);
  };
}

t.test("two-phase commit", async (t) => {
  const world = await World.start(t);
  const other = await world.client();
  const path = "/commits/a";
  const stop = new AbortController();
  const taking: Promise<void>[] = [];
  const start = (client: Client, name: string, ledger: Ledger, options: ParticipateOptions = {}): void => {
    taking.push(participate(client, path, name, ledger, { signal: stop.signal, patienceMs: 300, ...options }));
  };
  const [a, b] = [new Ledger(), new Ledger()];
  const gated = await world.open();
  start(gated.client, "a", a);
  start(await world.client(), "b", b);
  const participants = ["a", "b"];
  const clean = (): Promise<void> => until(async () => (await other.children(path)).names.length === 0);

  t.test("all vote yes: committed everywhere, and nothing is left; over a lost session too", async (t) => {
    t.equal(await transact(other, path, { participants, payload: 1 }), "commit");
    await clean();
    t.same(
      [a.lines, b.lines],
      [
        ["prepare 1", "commit 1"],
        ["prepare 1", "commit 1"],
      ],
    );
    const [decision] = await Promise.all([transact(other, path, { participants, payload: 2 }), loseSession(gated)]);
    await clean();
    t.equal(a.lines.includes("commit 2"), decision === "commit");
    t.equal(b.lines.includes("commit 2"), decision === "commit");
  });

  t.test("one votes no: aborted everywhere; a commit that fails is tried again", async (t) => {
    b.able = false;
    t.equal(await transact(other, path, { participants, payload: 3 }), "abort");
    await clean();
    t.ok(a.lines.includes("abort 3") && b.lines.includes("abort 3"));
    b.able = true;
    b.failures = 2;
    t.equal(await transact(other, path, { participants, payload: 4 }), "commit");
    await clean();
    t.equal(b.lines.filter((line) => line === "commit 4").length, 1);
  });

  t.test("a participant that never comes: aborted when patience ends", async (t) => {
    t.equal(await transact(other, path, { participants: ["a", "nobody"], payload: 5, patienceMs: 50 }), "abort");
    await until(() => a.lines.includes("abort 5"));
  });

  t.test("a coordinator that dies: the participants finish it, all in the same way", async (t) => {
    const dying = await world.client();
    b.able = true;
    const slow = new Ledger();
    start(await world.client(), "slow", slow);
    const hanging = rejection(transact(dying, path, { participants: ["a", "b", "slow", "late"], payload: 6 }));
    await until(() => slow.lines.includes("prepare 6"));
    await dying.close();
    t.match(await hanging, { code: "CLOSED", outcome: "unknown" });
    const late = new Ledger();
    start(await world.client(), "late", late);
    const all = [a, b, slow, late];
    await until(() => all.every(({ lines }) => lines.includes("commit 6") || lines.includes("abort 6")));
    t.equal(new Set(all.map(({ lines }) => lines.includes("commit 6"))).size, 1, "all or none");
  });

  t.test(
    "who is told to stop before it is decided stops, and its vote stands; a commit that fails is left to the next process",
    async (t) => {
      const at = "/commits/b";
      const [one, two] = [new Ledger(), new Ledger()];
      const voted = new AbortController();
      const taking = participate(await world.client(), at, "one", one, { signal: voted.signal });
      const deciding = transact(other, at, { participants: ["one", "two"], payload: 7 });
      await until(async () => (await other.countSubtree(at).catch(() => 0)) === 3);
      voted.abort();
      await taking;
      t.same(one.lines, ["prepare 7"]);
      const failed = new AbortController();
      two.failures = 1_000_000;
      const failing = participate(await world.client(), at, "two", two, { signal: failed.signal, onError: () => failed.abort() });
      t.equal(await deciding, "commit");
      await failing;
      two.failures = 0;
      const done = new AbortController();
      const both = [one, two].map((ledger, i) =>
        participate(other, at, ["one", "two"][i] ?? "", ledger, { signal: done.signal }),
      );
      await until(async () => (await other.children(at)).names.length === 0);
      t.same(
        [one.lines, two.lines],
        [
          ["prepare 7", "commit 7"],
          ["prepare 7", "commit 7"],
        ],
      );
      done.abort();
      await Promise.all(both);
    },
  );

  t.test("bad input is refused at once", async (t) => {
    t.match(await rejection(transact(other, path, { participants: [] })), { code: "BAD_ARGUMENTS", detail: /participants/ });
    t.match(await rejection(transact(other, path, { participants: ["a", "a"] })), { code: "BAD_ARGUMENTS", detail: /differ/ });
    t.match(await rejection(transact(other, path, { participants: ["a/b"] })), { code: "BAD_ARGUMENTS", detail: /"a\/b"/ });
    t.match(await rejection(transact(other, path, { participants: ["a"], payload: "x".repeat(2 ** 20) })), {
      code: "LIMIT",
      outcome: "failed",
    });
    t.match(await rejection(participate(other, "x", "a", a)), { code: "BAD_ARGUMENTS" });
    const closed = await world.client();
    await closed.close();
    t.equal(await code(participate(closed, path, "a", a)), "CLOSED");
    t.equal(await code(transact(closed, path, { participants })), "CLOSED");
  });

  t.after(async () => {
    stop.abort();
    await Promise.all(taking);
  });
});
