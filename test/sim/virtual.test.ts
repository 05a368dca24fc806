/** The virtual ensemble: virtual time runs the shipping client, faults do what they say, the same seed gives the same run, and nothing hangs. */
import t from "tap";
import { type Client, ZabraError } from "../../client/index.ts";
import { Lock } from "../../client/recipes/index.ts";
import { type VirtualEnsemble, virtualEnsemble } from "./testing.ts";

const sessionTimeoutMs = 1_000;

function code(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "OK",
    (error: unknown) => (error instanceof ZabraError ? error.code : String(error)),
  );
}

t.test("three servers, reads and writes, in virtual time", async (t) => {
  const ensemble = virtualEnsemble({ observers: 1 });
  const text = await ensemble.run(async () => {
    const client = await ensemble.client({ servers: [4] });
    await client.create("/a", "hello");
    await ensemble.sleep(20_000);
    t.equal(ensemble.serverOf(client), 4);
    return (await client.get("/a")).text;
  });
  t.equal(text, "hello");
  t.ok(ensemble.nowMs > 20_000);
});

async function handOver(ensemble: VirtualEnsemble): Promise<void> {
  const [one, two] = [await ensemble.client({ sessionTimeoutMs }), await ensemble.client({ sessionTimeoutMs })];
  await new Lock(one, "/l").acquire();
  ensemble.crash(await ensemble.leader());
  ensemble.partition([one]);
  await new Lock(two, "/l").acquire();
}

t.test("same seed, same run", async (t) => {
  const play = async (seed: number): Promise<readonly number[]> => {
    const ensemble = virtualEnsemble({ seed, drift: 0.009 });
    await ensemble.run(() => handOver(ensemble));
    return [ensemble.fingerprint, ensemble.nowMs];
  };
  t.strictSame(await play(5), await play(5));
  t.notSame(await play(5), await play(6));
});

t.test("what cannot end is told, with who is where", async (t) => {
  const ensemble = virtualEnsemble({ limitMs: 20_000, deadlockMs: 5_000 });
  await t.rejects(
    ensemble.run(() => new Promise(() => {})),
    /deadlock: nothing is left to wait for(.|\n)*server 3: leading/,
  );
  const holdsTwice = async (): Promise<void> => {
    const client = await ensemble.client({ name: "ann" });
    for (;;) await new Lock(client, "/not-re-entrant").acquire();
  };
  await t.rejects(ensemble.run(holdsTwice), /deadlock(.|\n)*ann: connected/);
  const forever = async (): Promise<void> => {
    for (;;) await ensemble.sleep(1_000);
  };
  await t.rejects(ensemble.run(forever), /limitMs/);
  await t.rejects(
    ensemble.run(() => ensemble.run(async () => {})),
    /in `run` already/,
  );
  await t.rejects(
    ensemble.run(() => Promise.reject(new Error("the script's own"))),
    /the script's own/,
  );
});

t.test("a wait of a client's own timer is no deadlock", async () => {
  const ensemble = virtualEnsemble({ deadlockMs: 5_000 });
  await ensemble.run(async () => (await ensemble.client()).sleep(8_000));
});

t.test("bad input is refused by name", async (t) => {
  for (const options of [{ servers: 0 }, { servers: 2.5 }, { observers: -1 }, { drift: 0.02 }, { seed: -1 }])
    t.throws(() => virtualEnsemble(options), new RegExp(Object.keys(options)[0] ?? ""));
  const ensemble = virtualEnsemble();
  t.throws(() => ensemble.crash(4), /no server 4, only 1 to 3/);
  await ensemble.run(async () => {
    const client = await ensemble.client();
    t.throws(() => ensemble.disconnect(client.within("/")), /not a client of this ensemble/);
    await t.rejects(ensemble.client({ servers: [9] }), /no server 9/);
  });
});

t.test("faults", async (t) => {
  let ensemble: VirtualEnsemble;
  let client: Client;
  let states: string[];

  /** `script` with a fresh ensemble of three and a client. */
  const play = (script: () => Promise<void>): Promise<void> => {
    ensemble = virtualEnsemble({ seed: 3 });
    return ensemble.run(async () => {
      client = await ensemble.client({ sessionTimeoutMs });
      await client.create("/a", "", { kind: "ephemeral" });
      states = [];
      client.onState((state) => states.push(state.type));
      await script();
    });
  };

  t.test("crash and restart", (t) =>
    play(async () => {
      const before = await ensemble.leader();
      ensemble.crash(before, { powerCut: true });
      const after = await ensemble.leader();
      t.not(after, before);
      ensemble.crash(after);
      t.equal(await code(client.set("/a", "1", { timeoutMs: 500 })), "TIMEOUT", "one of three cannot");
      ensemble.restart(before);
      t.equal(await code(client.set("/a", "2")), "OK");
    }),
  );

  t.test("a partition, and one of one direction", () =>
    play(async () => {
      const leader = await ensemble.leader();
      const heal = ensemble.partition([leader]);
      await ensemble.until(async () => (await ensemble.leader()) !== leader);
      t.not(await ensemble.leader(), leader);
      heal();
      const next = await ensemble.leader();
      ensemble.partition([next], undefined, { oneWay: true });
      await ensemble.until(async () => (await ensemble.leader()) !== next);
    }),
  );

  t.test("a client that is cut off is suspended, then lost", (t) =>
    play(async () => {
      ensemble.partition([client]);
      await ensemble.until(() => client.state.type === "suspended");
      t.ok((client.validUntilMs ?? 0) > client.nowMs());
      await ensemble.until(() => states.includes("lost"));
      ensemble.heal();
      await ensemble.until(() => client.state.type === "connected");
      t.equal(await client.exists("/a"), undefined, "its ephemeral is gone");
    }),
  );

  t.test("disconnect: the session goes on", (t) =>
    play(async () => {
      const session = client.session?.id;
      ensemble.disconnect(client);
      t.equal(client.state.type, "suspended");
      await client.set("/a", "1");
      t.equal(client.session?.id, session);
    }),
  );

  t.test("a pause past the timeout: timers and data come after it, the clock has gone on", (t) =>
    play(async () => {
      const slept = client.sleep(10).then(() => ensemble.nowMs);
      const before = client.nowMs();
      const startMs = ensemble.nowMs;
      ensemble.pause(client, 3_000);
      t.ok((await slept) >= startMs + 3_000);
      t.ok(client.nowMs() - before >= 2_990);
      t.equal(client.validUntilMs === undefined || client.validUntilMs < client.nowMs(), true, "it knows by its clock");
      await ensemble.until(() => states.includes("lost"));
    }),
  );

  t.test("suspend: the machine's clock stands still, and yet the client counts the time", (t) =>
    play(async () => {
      const before = client.nowMs();
      ensemble.pause(client, 3_000, { suspend: true });
      await ensemble.sleep(3_100);
      t.ok(client.nowMs() - before >= 2_990);
    }),
  );

  t.test("a reply lost after commit: the write is applied once, and answered by the resumed session", (t) =>
    play(async () => {
      const lost = ensemble.loseReply(client, "create");
      const created = await client.create("/s-", "", { sequential: true });
      await lost;
      t.ok(states.includes("suspended"));
      t.equal(created.path, "/s-0000000001");
      t.same(
        (await client.children("/")).names.filter((name) => name.startsWith("s-")),
        ["s-0000000001"],
      );
    }),
  );

  t.test("kill: its ephemerals go when its session expires", (t) =>
    play(async () => {
      const other = await ensemble.client();
      ensemble.kill(client);
      await other.whenDeleted("/a");
      t.ok(ensemble.nowMs > 900);
    }),
  );

  t.test("drift: beyond the bound a client may believe too long", (t) =>
    play(async () => {
      const other = await ensemble.client();
      ensemble.drift(client, 0.5);
      ensemble.partition([client]);
      await other.whenDeleted("/a");
      t.ok((client.validUntilMs ?? 0) > client.nowMs());
    }),
  );

  t.test("a server's pause: another leads", () =>
    play(async () => {
      const before = await ensemble.leader();
      ensemble.pause(before, 4_000);
      await ensemble.until(async () => (await ensemble.leader()) !== before);
      t.not(await ensemble.leader(), before);
    }),
  );
});
