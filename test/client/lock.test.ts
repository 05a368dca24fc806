/** Locks against a real server, under what breaks locks: lost connections, lost sessions, pauses, cancelled waits, deleted nodes. */
import t from "tap";
import { type Client, type ClientOptions, connect, ZabraError } from "../../client/index.ts";
import { type Grant, Lock, withLock } from "../../client/recipes/index.ts";
import { type Server, startServer } from "../../server/index.ts";
import { Gate, MovableClock, until } from "./gate.ts";

const sessionTimeoutMs = 1_500;
const limits = { replies_per_session_max: 1_100, session_timeout_ms_min: 200 };

function code(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "OK",
    (error: unknown) => (error instanceof ZabraError ? error.code : String(error)),
  );
}

function aborted(signal: AbortSignal): Promise<string> {
  const reason = (): string => (signal.reason instanceof ZabraError ? signal.reason.code : String(signal.reason));
  return new Promise((resolve) => {
    if (signal.aborted) resolve(reason());
    else signal.addEventListener("abort", () => resolve(reason()), { once: true });
  });
}

t.test("Lock", async (t) => {
  let server: Server;
  let one: Client;
  let two: Client;
  let gate: Gate;
  let clock: MovableClock;
  let path = "";
  let count = 0;

  const open = (options: ClientOptions = {}): Promise<Client> => connect(server.url, { sessionTimeoutMs, ...options });

  t.before(async () => {
    server = await startServer({ limits });
    await server.ready();
  });
  t.after(() => server.close());
  t.beforeEach(async () => {
    gate = await Gate.make();
    clock = new MovableClock();
    one = await open({ dial: gate.dial, clock });
    two = await open();
    count += 1;
    path = `/locks/l${count}`;
  });
  t.afterEach(async () => {
    gate.open();
    await Promise.all([one.close(), two.close()]);
  });

  const queueLength = async (): Promise<number> => (await new Lock(two, path).contenders()).length;

  t.test("FIFO, with rising tokens; the queue is seen", async (t) => {
    const first = await new Lock(one, path, { data: "one" }).acquire();
    const order: string[] = [];
    const second = new Lock(two, path).acquire().then((grant) => note(grant, "two"));
    await until(async () => (await queueLength()) === 2);
    const third = new Lock(one, path).acquire().then((grant) => note(grant, "one again"));
    await until(async () => (await queueLength()) === 3);
    function note(grant: Grant, name: string): Grant {
      order.push(name);
      return grant;
    }
    const contenders = await new Lock(two, path).contenders();
    t.match(contenders[0], { path: first.path, token: first.token, session: one.session?.id });
    t.same(order, []);
    await first.release();
    const grant = await second;
    t.ok(grant.token > first.token);
    await grant.release();
    t.ok((await third).token > grant.token);
    t.same(order, ["two", "one again"]);
    await (await third).release();
    t.equal(await queueLength(), 0);
  });

  t.test("one holder at a time, many clients, with broken connections", async (t) => {
    let inside = 0;
    let most = 0;
    let done = 0;
    const work = async (): Promise<void> => {
      inside += 1;
      most = Math.max(most, inside);
      await two.get("/");
      if (done % 7 === 3) gate.break();
      inside -= 1;
      done += 1;
    };
    await Promise.all(Array.from({ length: 30 }, (_, i) => withLock(i % 2 === 0 ? one : two, path, work)));
    t.equal(done, 30);
    t.equal(most, 1);
  });

  t.test("a grant is a guard: after the lock went on, the former holder's writes are refused", async (t) => {
    await two.ensurePath(`${path}-data`);
    const first = await new Lock(two, path).acquire();
    await two.set(`${path}-data`, "1", { guard: first.guard });
    await first.release();
    t.equal(await code(two.set(`${path}-data`, "2", { guard: first.guard })), "FENCED");
  });

  t.test("tryAcquire leaves no trace when it is held", async (t) => {
    const grant = await new Lock(one, path).tryAcquire();
    t.ok(grant);
    t.equal(await new Lock(two, path).tryAcquire(), undefined);
    t.equal(await queueLength(), 1);
    await grant?.release();
  });

  t.test("timeout and cancel give the place up, also while the create is under way", async (t) => {
    const held = await new Lock(two, path).acquire();
    t.equal(await code(new Lock(one, path).acquire({ timeoutMs: 40 })), "TIMEOUT");
    const controller = new AbortController();
    const waiting = code(new Lock(one, path).acquire({ signal: controller.signal }));
    await until(async () => (await queueLength()) === 2);
    controller.abort();
    t.equal(await waiting, "ABORTED");
    t.equal(await code(new Lock(one, path).acquire({ signal: AbortSignal.abort() })), "ABORTED");
    gate.swallow();
    const vanished = code(new Lock(one, path).acquire({ timeoutMs: 20 }));
    t.equal(await vanished, "TIMEOUT");
    gate.break();
    await one.sync();
    await until(async () => (await queueLength()) === 1);
    await held.release();
    await (await new Lock(one, path).acquire({ timeoutMs: 5_000 })).release();
  });

  t.test("the predecessor gives up while a lower one still holds: no early grant", async (t) => {
    const held = await new Lock(one, path).acquire();
    const controller = new AbortController();
    const middle = code(new Lock(two, path).acquire({ signal: controller.signal }));
    await until(async () => (await queueLength()) === 2);
    let granted = false;
    const last = new Lock(two, path).acquire().then((grant) => {
      granted = true;
      return grant;
    });
    await until(async () => (await queueLength()) === 3);
    controller.abort();
    await middle;
    await until(async () => (await queueLength()) === 2);
    await two.sync();
    t.equal(granted, false);
    await held.release();
    await (await last).release();
  });

  t.test("suspended: held until the deadline, then the signal fires, before another can have it", async (t) => {
    const grant = await new Lock(one, path).acquire();
    const next = new Lock(two, path).acquire();
    gate.break();
    await until(() => one.state.type === "connected");
    grant.check();
    t.equal(grant.signal.aborted, false, "a broken connection alone changes nothing");
    const deadline = grant.validUntilMs;
    gate.shut();
    t.ok(grant.held);
    t.equal(await aborted(grant.signal), "SESSION_EXPIRED");
    t.ok(one.nowMs() >= deadline);
    t.equal(grant.validUntilMs, 0);
    t.throws(() => grant.check(), { code: "SESSION_EXPIRED" });
    const after = await next;
    t.ok(after.token > grant.token);
    await after.release();
    await grant.release();
  });

  t.test("after a pause of the process, check sees it before the signal could fire", async (t) => {
    const grant = await new Lock(one, path).acquire();
    clock.aheadMs = 10 * sessionTimeoutMs;
    t.equal(grant.signal.aborted, false);
    t.equal(grant.held, false);
    t.throws(() => grant.check(), { code: "SESSION_EXPIRED" });
    t.equal(grant.signal.aborted, true);
  });

  t.test("one who waits and loses its session joins again", async (t) => {
    const held = await new Lock(two, path).acquire();
    const session = one.session?.id;
    const waiting = new Lock(one, path).acquire();
    await until(async () => (await queueLength()) === 2);
    gate.shut();
    await until(() => one.session === undefined);
    gate.open();
    await until(() => one.state.type === "connected");
    t.not(one.session?.id, session);
    await held.release();
    const grant = await waiting;
    t.equal((await new Lock(two, path).contenders())[0]?.session, one.session?.id);
    await grant.release();
  });

  t.test("somebody deletes the holder's node: the signal fires", async (t) => {
    const grant = await new Lock(one, path).acquire();
    await two.delete(grant.path);
    t.equal(await aborted(grant.signal), "FENCED");
  });

  t.test("withLock: gives back after success and failure; rejects when the lock was lost meanwhile", async (t) => {
    t.equal(await withLock(one, path, async (_signal, grant) => (grant.held ? "held" : "not")), "held");
    await t.rejects(
      withLock(one, path, () => Promise.reject(new Error("work"))),
      { message: "work" },
    );
    t.equal(await queueLength(), 0);
    const lost = withLock(one, path, async (signal, grant) => {
      await two.delete(grant.path);
      await aborted(signal);
    });
    t.equal(await code(lost), "FENCED");
  });

  t.test("a holder's process ends: the next has it in the same txn", async (t) => {
    const other = await open();
    const held = await new Lock(other, path).acquire();
    const next = new Lock(two, path).acquire();
    await until(async () => (await queueLength()) === 2);
    await other.close();
    t.ok(held.signal.aborted);
    await (await next).release();
  });

  t.test("below a chroot; await using", async (t) => {
    await one.ensurePath("/tenant");
    const inside = one.within("/tenant");
    {
      await using grant = await new Lock(inside, "/l").acquire();
      t.match(grant.path, /^\/l\/lock-\d{10}$/);
      t.ok(await one.exists(`/tenant${grant.path}`));
      await inside.create("/guarded", "", { guard: grant.guard });
    }
    t.same((await one.children("/tenant/l")).names, []);
  });
});
