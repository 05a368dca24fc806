/** Locks of every kind, in virtual time: order, re-entrance, refusals, other libraries' names, and the turns that come too late. */
import t, { type Test } from "tap";
import { type Client, ZabraError } from "../../../client/index.ts";
import {
  Election,
  Grant,
  LeaderLease,
  Lock,
  MultiLock,
  ReadWriteLock,
  Semaphore,
  type WaitOptions,
  withLock,
} from "../../../client/recipes/index.ts";
import { type VirtualEnsemble, virtualEnsemble } from "../../sim/testing.ts";

const sessionTimeoutMs = 1_000;

interface World {
  readonly ensemble: VirtualEnsemble;
  readonly one: Client;
  readonly two: Client;
  readonly three: Client;
}

function world(name: string, script: (t: Test, world: World) => Promise<void>): void {
  t.test(name, (t) => {
    const ensemble = virtualEnsemble({ seed: 11 });
    return ensemble.run(async () => {
      const [one, two, three] = [
        await ensemble.client({ sessionTimeoutMs }),
        await ensemble.client({ sessionTimeoutMs }),
        await ensemble.client({ sessionTimeoutMs }),
      ];
      await script(t, { ensemble, one, two, three });
    });
  });
}

function code(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "OK",
    (error: unknown) =>
      error instanceof ZabraError ? `${error.code}${error.detail === "" ? "" : `: ${error.detail}`}` : String(error),
  );
}

function thrown(run: () => unknown): string {
  try {
    run();
    return "OK";
  } catch (error) {
    return error instanceof ZabraError ? `${error.code}: ${error.detail}` : String(error);
  }
}

world("a grant is given back once; a second time is told; `await using` does it by itself", async (t, { one, two }) => {
  const grant = await new Lock(one, "/l").acquire();
  t.notOk(grant.released);
  await grant.release();
  t.ok(grant.released);
  t.equal(await code(grant.release()), "BAD_ARGUMENTS: the grant was released already");
  t.match(
    thrown(() => grant.check()),
    /^ABORTED: released/,
  );
  {
    await using held = await new Lock(one, "/l").acquire();
    t.ok(held.held);
    await held.release();
  }
  await withLock(two, "/l", (_signal, own) => own.release());
  t.ok(await new Lock(two, "/l").tryAcquire({ timeoutMs: 1_000 }));
});

world("re-entrant: the same object has it again, and gives it back with the last", async (t, { ensemble, one, two }) => {
  const lock = new Lock(one, "/l", { reentrant: true });
  const [outer, inner] = await Promise.all([lock.acquire(), lock.acquire({ timeoutMs: 100 })]);
  t.equal(inner.token, outer.token);
  t.ok(await lock.tryAcquire().then((third) => third?.release().then(() => true)));
  const other = new Lock(two, "/l").acquire();
  let granted = false;
  void other.then(() => {
    granted = true;
  });
  await outer.release();
  t.ok(outer.signal.aborted && !inner.signal.aborted);
  inner.check();
  await ensemble.sleep(50);
  t.notOk(granted);
  await inner.release();
  const next = await other;
  t.ok(next.token > outer.token);
  const again = lock.acquire();
  await next.release();
  t.ok((await again).token > next.token, "after the last release it stands in the queue again");
  t.equal((await new Lock(two, "/l").contenders()).length, 1);
});

world("re-entrant: after the session is lost it is taken anew", async (t, { ensemble, one }) => {
  const lock = new Lock(one, "/l", { reentrant: true });
  const lost = await lock.acquire();
  ensemble.partition([one]);
  await ensemble.until(() => lost.signal.aborted);
  ensemble.heal();
  const grant = await lock.acquire();
  t.ok(grant.token > lost.token);
  await lost.release();
  t.ok(grant.held, "a late release of a lost grant gives back nothing");
  await grant.release();
  t.equal((await lock.contenders()).length, 0);
});

world("who asks twice without re-entrance waits for itself, and no longer than it says", async (t, { one }) => {
  const lock = new Lock(one, "/l");
  await lock.acquire();
  t.equal(await code(lock.acquire({ timeoutMs: 100 })), "TIMEOUT");
  t.equal(await lock.tryAcquire(), undefined);
  t.equal((await lock.contenders()).length, 1);
});

world("a turn learned of after the end of the session is no turn", async (t, { ensemble, one, two }) => {
  for (let ms = 0; ms < 6; ms += 0.5) {
    const held = await new Lock(two, "/l").acquire();
    const next = new Lock(one, "/l").acquire();
    await ensemble.until(async () => (await new Lock(two, "/l").contenders()).length === 2);
    const released = held.release();
    await ensemble.sleep(ms);
    ensemble.pause(one, 2 * sessionTimeoutMs);
    await released;
    const grant = await next;
    t.ok(grant.held, `paused ${ms} ms after the release`);
    await grant.release();
  }
});

world("readers share, writers are alone, in the order of asking", async (t, { ensemble, one, two, three }) => {
  const [a, b, c] = [
    new ReadWriteLock(one, "/rw"),
    new ReadWriteLock(two, "/rw"),
    new ReadWriteLock(three, "/rw", { data: "c" }),
  ];
  const reads = [await a.read(), await b.read()];
  t.notOk(
    reads.some((grant) => grant instanceof Grant),
    "a reader has no token",
  );
  const order: string[] = [];
  const write = c.write().then((grant) => {
    order.push("write");
    return grant;
  });
  await ensemble.until(async () => (await a.contenders()).length === 3);
  const late = new ReadWriteLock(one, "/rw").read().then((grant) => {
    order.push("read");
    return grant;
  });
  await ensemble.until(async () => (await a.contenders()).length === 4);
  t.same(
    (await a.contenders()).map(({ mode }) => mode),
    ["read", "read", "write", "read"],
  );
  t.equal(await new ReadWriteLock(two, "/rw").tryWrite(), undefined);
  t.equal(await new ReadWriteLock(two, "/rw").tryRead(), undefined, "behind a writer that waits");
  await reads[0]?.release();
  await ensemble.sleep(20);
  t.same(order, []);
  await reads[1]?.release();
  const grant = await write;
  t.same(order, ["write"]);
  await two.create("/guarded", "", { guard: grant.guard });
  await grant.release();
  await (await late).release();
  t.same(order, ["write", "read"]);
  t.same((await a.contenders()).length, 0);
});

world("an upgrade from read to write is refused, not waited for", async (t, { one }) => {
  const lock = new ReadWriteLock(one, "/rw");
  await lock.withRead(async () => {
    t.match(await code(lock.write()), /^BAD_ARGUMENTS: this ReadWriteLock object holds a read/);
    t.match(await code(lock.tryWrite()), /^BAD_ARGUMENTS/);
  });
  t.equal(await lock.withWrite(async (_signal, grant) => grant.held), true);
});

world(
  "a semaphore: as many as there are permits, then in order; clients that disagree are told",
  async (t, { ensemble, one, two, three }) => {
    const semaphore = new Semaphore(one, "/s", 2, { data: "who" });
    const [first, second] = [await semaphore.acquire(), await new Semaphore(two, "/s", 2).acquire()];
    t.notOk(first instanceof Grant, "a lease has no token");
    t.equal((await semaphore.holders()).length, 2);
    t.equal(await semaphore.tryAcquire(), undefined);
    t.equal(await code(new Semaphore(three, "/s", 2).acquire({ timeoutMs: 50 })), "TIMEOUT");
    t.equal((await semaphore.waiters()).length, 0);
    const order: string[] = [];
    const third = new Semaphore(three, "/s", 2).acquire().then((grant) => order.push("three") && grant);
    await ensemble.until(async () => (await semaphore.waiters()).length === 1);
    const fourth = semaphore.acquire().then((grant) => order.push("one") && grant);
    await ensemble.until(async () => (await semaphore.waiters()).length === 2);
    await one.create("/while-held", "", { guard: first.guard });
    await second.release();
    await third;
    t.same(order, ["three"]);
    await first.release();
    await fourth;
    t.same(order, ["three", "one"]);
    t.equal(await code(new Semaphore(two, "/s", 3).acquire()), "BAD_ARGUMENTS: permits must be 2, as the node says, not 3");
    t.equal(await new Semaphore(two, "/t", 1).withLease(async () => "worked"), "worked");
  },
);

world("several locks as one: all or none, in one order", async (t, { ensemble, one, two }) => {
  const held = await new Lock(two, "/m/b").acquire();
  const multi = new MultiLock(one, ["/m/c", "/m/a", "/m/b"]);
  t.same(multi.paths, ["/m/a", "/m/b", "/m/c"]);
  t.equal(await multi.tryAcquire(), undefined);
  t.equal(await code(multi.acquire({ timeoutMs: 50 })), "TIMEOUT");
  for (const path of ["/m/a", "/m/c"]) t.equal((await new Lock(two, path).contenders()).length, 0, "given back");
  const asked = multi.acquire();
  await ensemble.until(async () => (await new Lock(two, "/m/b").contenders()).length === 2);
  await held.release();
  const grant = await asked;
  t.ok(grant.held && grant.validUntilMs > one.nowMs());
  t.equal(grant.guard.length, 3);
  t.ok(grant.token("/m/c") > grant.token("/m/b"));
  t.match(
    thrown(() => grant.token("/m/x")),
    /not one of the locks/,
  );
  await two.delete(grant.grants.get("/m/b")?.path ?? "");
  await ensemble.until(() => grant.signal.aborted);
  t.match(
    thrown(() => grant.check()),
    /^FENCED/,
  );
  await grant.release();
  t.match(await code(grant.release()), /released already/);
  t.equal(await multi.withLock(async (signal) => signal.aborted), false);
});

world("one of several is lost on the way: all are given back and taken anew", async (t, { ensemble, one, two }) => {
  const held = await new Lock(two, "/m/b").acquire();
  const asked = new MultiLock(one, ["/m/a", "/m/b"]).acquire();
  await ensemble.until(async () => (await new Lock(two, "/m/b").contenders()).length === 2);
  const [stolen] = await new Lock(two, "/m/a").contenders();
  await two.delete(stolen?.path ?? "");
  await ensemble.sleep(50);
  await held.release();
  const grant = await asked;
  t.ok(grant.held);
  t.ok(grant.token("/m/a") > (stolen?.token ?? 0));
});

world("names of other libraries, made by option and respected without", async (t, { one, two }) => {
  const name = async (path: string): Promise<string> => (await one.children(path)).names.join();
  const guid = "_c_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}-";
  for (const [layout, lock, read, write, latch] of [
    ["curator", `${guid}lock-`, `${guid}__READ__`, `${guid}__WRIT__`, `${guid}latch-`],
    ["kazoo", "[0-9a-f]{32}__lock__", "[0-9a-f]{32}__rlock__", "[0-9a-f]{32}__lock__", "[0-9a-f]{32}__lock__"],
  ] as const) {
    const is = (pattern: string): RegExp => new RegExp(`^${pattern}\\d{10}$`);
    await using mutex = await new Lock(one, `/${layout}/l`, { layout }).acquire();
    t.match(await name(`/${layout}/l`), is(lock));
    t.equal(await new Lock(two, `/${layout}/l`).tryAcquire(), undefined, `${layout}: respected by one of ours`);
    {
      await using reader = await new ReadWriteLock(one, `/${layout}/rw`, { layout }).read();
      t.match(await name(`/${layout}/rw`), is(read));
      t.equal(await new ReadWriteLock(two, `/${layout}/rw`).tryWrite(), undefined);
      t.ok(reader.held);
    }
    await using writer = await new ReadWriteLock(one, `/${layout}/rw`, { layout }).write();
    t.match(await name(`/${layout}/rw`), is(write));
    t.equal(await new ReadWriteLock(two, `/${layout}/rw`).tryRead(), undefined);
    const term = await new Election(one, `/${layout}/e`, { layout }).campaign();
    t.match(await name(`/${layout}/e`), is(latch));
    t.equal((await new Election(two, `/${layout}/e`).leader())?.token, term.token);
    await using lease = await new Semaphore(one, `/${layout}/s`, 1, { layout }).acquire();
    t.match(lease.path, layout === "kazoo" ? /^\/kazoo\/s\/[0-9a-f]{32}$/ : is(`/curator/s/leases/${guid}lease-`));
    t.equal(await new Semaphore(two, `/${layout}/s`, 1, { layout }).tryAcquire(), undefined);
    t.equal(
      (await one.get(`/${layout}/s`)).text,
      layout === "kazoo" ? "1" : "",
      "kazoo keeps the number of permits, Curator does not",
    );
    t.ok(mutex.held && writer.held);
  }
});

world("every recipe gives up at its signal and its deadline, and leaves nothing", async (t, { ensemble, one, two }) => {
  const kinds: readonly (readonly [string, (client: Client, options: WaitOptions) => Promise<unknown>])[] = [
    ["lock", (client, options) => new Lock(client, "/l").acquire(options)],
    ["read", (client, options) => new ReadWriteLock(client, "/rw").read(options)],
    ["write", (client, options) => new ReadWriteLock(client, "/rw").write(options)],
    ["semaphore", (client, options) => new Semaphore(client, "/s", 1).acquire(options)],
    ["multi-lock", (client, options) => new MultiLock(client, ["/a", "/l"]).acquire(options)],
    ["election", (client, options) => new Election(client, "/e").campaign(options)],
  ];
  await new Lock(two, "/l").acquire();
  await new ReadWriteLock(two, "/rw").write();
  await new Semaphore(two, "/s", 1).acquire();
  await new Election(two, "/e").campaign();
  for (const [name, ask] of kinds) {
    t.equal(await code(ask(one, { timeoutMs: 30 })), "TIMEOUT", `${name}: deadline`);
    t.equal(await code(ask(one, { signal: AbortSignal.abort() })), "ABORTED", `${name}: aborted before`);
    const controller = new AbortController();
    const asked = code(ask(one, { signal: controller.signal }));
    await ensemble.sleep(30);
    controller.abort(new Error("changed my mind"));
    t.equal(await asked, "ABORTED", `${name}: aborted while it waits`);
    t.match(await code(ask(one, { timeoutMs: 0 })), /^BAD_ARGUMENTS: timeoutMs must be above 0, not 0/, name);
  }
  await ensemble.until(async () => (await one.getEphemerals()).length === 0, 1_000);
});

world("bad input is refused at once, by name", async (t, { one }) => {
  const long = `/${"x".repeat(1_024)}`;
  const noLayout = "etcd" as "kazoo";
  for (const [run, message] of [
    [() => new Lock(one, "locks"), /^BAD_ARGUMENTS: .*start/],
    [() => new Lock(one, long), /^BAD_ARGUMENTS: .*1024/],
    [() => new Lock(one, "/l", { layout: noLayout }), /^BAD_ARGUMENTS: layout must be zabra, curator or kazoo, not etcd/],
    [() => new ReadWriteLock(one, "/a//b"), /^BAD_ARGUMENTS/],
    [() => new Election(one, ""), /^BAD_ARGUMENTS/],
    [() => new Semaphore(one, "/s", 0), /^BAD_ARGUMENTS: permits must be a whole number from 1 to 10000, not 0/],
    [() => new Semaphore(one, "/s", 1.5), /^BAD_ARGUMENTS: permits/],
    [() => new MultiLock(one, []), /^BAD_ARGUMENTS: the number of paths/],
    [() => new MultiLock(one, ["/a", "/b", "/a"]), /^BAD_ARGUMENTS: it is named twice/],
  ] as const)
    t.match(thrown(run), message);
  t.match(await code(new Lock(one, "/l", { data: "x".repeat(2 ** 21) }).acquire()), /^LIMIT: data_bytes_max/);
  const lock = new Lock(one, "/l");
  await one.close();
  t.equal((await code(lock.acquire())).slice(0, 6), "CLOSED");
  t.match(
    thrown(() => new Lock(one, "/l")),
    /^CLOSED/,
  );
});

world(
  "a leader lease outlives a session, ends when it is not renewed, and is renewed by itself",
  async (t, { ensemble, one, two }) => {
    const lease = new LeaderLease(one, "/lease/l", 2_000, { data: "one" });
    const term = await lease.campaign();
    const other = new LeaderLease(two, "/lease/l", 2_000);
    t.equal(await other.tryCampaign(), undefined);
    t.equal((await other.leader())?.text, "one");
    t.equal(await code(other.campaign({ timeoutMs: 100 })), "TIMEOUT");
    const session = one.session?.id;
    const heal = ensemble.partition([one]);
    await ensemble.until(() => one.session === undefined);
    heal();
    await ensemble.sleep(5_000);
    t.not(one.session?.id, session);
    t.ok(term.held && !term.signal.aborted, "renewed in another session");
    await two.create("/guarded", "", { guard: term.guard });
    await term.renew();
    const next = other.campaign();
    ensemble.partition([one]);
    const second = await next;
    t.ok(term.signal.aborted && !term.held);
    t.match(
      thrown(() => term.check()),
      /^TIMEOUT: the lease was not renewed in time/,
    );
    t.ok(second.token > term.token);
    ensemble.heal();
    t.match(await code(one.set("/guarded", "late", { guard: term.guard })), /^FENCED/);
    await term.resign();
    t.match(await code(term.resign()), /^BAD_ARGUMENTS: the term was resigned already/);
    t.ok(second.held, "a late resignation takes nothing from the next");
    await second.resign();
    const third = await lease.campaign();
    await two.delete(third.path);
    t.match(await code(third.renew()), /^FENCED/);
    t.ok(third.signal.aborted);
    t.match(
      thrown(() => new LeaderLease(one, "/lease", 100)),
      /^BAD_ARGUMENTS: durationMs must be a whole number from 200/,
    );
  },
);
