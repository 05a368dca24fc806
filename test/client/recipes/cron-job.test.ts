/** Cron jobs against a real server, with a wall clock of the test's: once each, missed ticks by option, failures and interruptions told. */
import t from "tap";
import { CronJob, type CronJobOptions, everyMs } from "../../../client/recipes/index.ts";
import { until } from "../gate.ts";
import { code, loseSession, rejection, World } from "./world.ts";

t.test("CronJob", async (t) => {
  const world = await World.start(t);
  const other = await world.client();
  let wallMs = 1_000_000;
  const options: CronJobOptions = {
    next: everyMs(1_000),
    wallMs: () => wallMs,
    run: async ({ run }) => `result ${run}`,
    lateMs: 500,
  };
  const runsOf = async (job: CronJob): Promise<string[]> =>
    (await job.history()).map(({ atMs, run, status }) => `${run}@${atMs / 1_000 - 1_000} ${status}`);

  t.test(
    "two processes: each tick once, entered with its result; another goes on when the leader's session is lost",
    async (t) => {
      const one = await world.open();
      const stop = new AbortController();
      const jobs = [one.client, other].map((client, i) => new CronJob(client, "/cron/a", { ...options, name: `p${i}` }));
      const serving = jobs.map((job) => job.serve({ signal: stop.signal }));
      const [job] = jobs;
      if (job === undefined) return;
      await until(async () => (await other.exists("/cron/a/runs")) !== undefined);
      await until(async () => (await other.get("/cron/a")).text !== "");
      for (let i = 1; i <= 3; i += 1) {
        wallMs += 1_000;
        await until(async () => (await job.history()).at(-1)?.status === "done" && (await job.history()).length === i);
      }
      await loseSession(one);
      wallMs += 1_000;
      await until(async () => (await job.history()).length === 4 && (await job.history()).at(-1)?.status === "done");
      t.same(await runsOf(job), ["1@1 done", "2@2 done", "3@3 done", "4@4 done"]);
      t.match((await job.history())[1], { result: "result 2" });
      stop.abort();
      await Promise.all(serving);
    },
  );

  t.test("missed ticks: all, only the latest, or none", async (t) => {
    for (const [missed, expected] of [
      ["all", ["1", "2", "3", "4", "5"]],
      ["latest", ["4", "5"]],
      ["skip", ["5"]],
    ] as const) {
      wallMs = 1_000_000;
      const path = `/cron/missed-${missed}`;
      const stopped = AbortSignal.abort();
      const events: string[] = [];
      const job = new CronJob(other, path, { ...options, missed, onEvent: ({ type }) => events.push(type) });
      await job.serve({ signal: stopped });
      const first = new AbortController();
      const begun = job.serve({ signal: first.signal });
      await until(async () => (await other.exists(path)) !== undefined && (await other.get(path)).text !== "");
      first.abort();
      await begun;
      wallMs += 4_700;
      const stop = new AbortController();
      const serving = job.serve({ signal: stop.signal });
      if (missed !== "skip") await until(async () => (await runsOf(job)).some((line) => line.endsWith("@4 done")));
      else await until(() => events.includes("skipped"));
      wallMs += 300;
      await until(async () => (await runsOf(job)).some((line) => line.endsWith("@5 done")));
      t.same(
        (await runsOf(job)).map((line) => /@(\d+)/.exec(line)?.[1]),
        expected,
        missed,
      );
      stop.abort();
      await serving;
    }
  });

  t.test("a run that throws is failed; one that its process left is interrupted, and not run again; old runs go", async (t) => {
    wallMs = 1_000_000;
    const dying = await world.open();
    let calls = 0;
    const hang = new CronJob(dying.client, "/cron/b", { ...options, name: "dying", run: () => new Promise(() => (calls += 1)) });
    const dead = code(hang.serve());
    await until(async () => (await other.exists("/cron/b")) !== undefined && (await other.get("/cron/b")).text !== "");
    wallMs += 1_000;
    await until(() => calls === 1);
    const stop = new AbortController();
    const run = async ({ run: number }: { run: number }): Promise<string> => {
      if (number === 3) throw new Error("boom");
      return "fine";
    };
    const job = new CronJob(other, "/cron/b", { ...options, run, keep: 3, name: "b" });
    const serving = job.serve({ signal: stop.signal });
    dying.gate.shut();
    await until(async () => (await job.history())[0]?.status === "interrupted");
    for (const count of [2, 3]) {
      wallMs += 1_000;
      await until(async () => (await runsOf(job)).some((line) => line.startsWith(`${count}@`) && !line.endsWith("running")));
    }
    t.same(await runsOf(job), ["1@1 interrupted", "2@2 done", "3@3 failed"]);
    t.match(await job.history(), [{ by: "dying" }, { by: "b", result: "fine" }, { result: "boom" }]);
    wallMs += 1_000;
    await until(async () => (await runsOf(job)).includes("4@4 done"));
    t.equal((await job.history()).length, 3);
    stop.abort();
    await serving;
    void dying.client.close();
    void dead;
  });

  t.test("bad input is refused at once", async (t) => {
    t.throws(() => new CronJob(other, "x", options), { code: "BAD_ARGUMENTS" });
    t.throws(() => new CronJob(other, "/x", { ...options, keep: 0 }), { code: "BAD_ARGUMENTS", detail: /keep/ });
    t.throws(() => everyMs(0), { code: "BAD_ARGUMENTS", detail: /ms/ });
    const backwards = new CronJob(other, "/cron/back", { ...options, next: (afterMs) => afterMs });
    t.match(await rejection(backwards.serve()), { code: "BAD_ARGUMENTS", detail: /later time/ });
    const closed = await world.client();
    const job = new CronJob(closed, "/cron/closed", options);
    const serving = code(job.serve());
    await closed.close();
    t.equal(await serving, "CLOSED");
  });
});
