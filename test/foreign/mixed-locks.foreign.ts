/** A mixed fleet: kazoo's Lock, ReadLock, WriteLock, Semaphore and Election against ours at the same paths, in both directions. Skipped loudly where kazoo is missing. */
import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import t from "tap";
import { connect } from "../../client/index.ts";
import { Election, Lock, ReadWriteLock, Semaphore } from "../../client/recipes/index.ts";
import { startServer } from "../../server/index.ts";

const script = fileURLToPath(new URL("../../../test/foreign/kazoo-locks.py", import.meta.url));
const python = process.env["ZABRA_PYTHON"] ?? "python3";
const layout = "kazoo";
const short = { timeoutMs: 300 };

t.setTimeout(900_000);

/** kazoo in a process of its own: one command, one answer. */
class Kazoo {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(hosts: string) {
    this.#child = spawn(python, [script, hosts], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Sends a command; the answer comes when kazoo has done it. */
  async ask(command: string): Promise<string> {
    this.#child.stdin.write(`${command}\n`);
    return String((await this.#lines.next()).value);
  }

  close(): void {
    this.#child.kill("SIGKILL");
  }
}

t.test("mixed fleets", async (t) => {
  if (spawnSync(python, ["-c", "import kazoo"]).status !== 0) {
    const why = `NOT TESTED: ${python} with kazoo is missing (pip install kazoo)`;
    console.error(why);
    return void t.pass(why, { skip: why });
  }
  const server = await startServer({ logLevel: "error" });
  await server.ready();
  const client = await connect(server.url);
  const kazoo = new Kazoo(server.zookeeper ?? "");
  t.teardown(async () => {
    kazoo.close();
    await client.close();
    await server.close();
  });

  await t.test("a lock", async (t) => {
    for (const lock of [new Lock(client, "/l", { layout, data: "zabra" }), new Lock(client, "/l", { data: "zabra" })]) {
      t.equal(await kazoo.ask("acquire lock /l"), "acquired");
      t.equal(await lock.tryAcquire(), undefined, "ours waits for kazoo's");
      const waiting = lock.acquire();
      while ((await lock.contenders()).length < 2) await client.sleep(5);
      t.equal(await kazoo.ask("release"), "released");
      await using grant = await waiting;
      t.ok(grant.held);
    }
    await using grant = await new Lock(client, "/l", { layout, data: "zabra" }).acquire();
    t.equal(await kazoo.ask("contenders /l"), "zabra");
    t.equal(await kazoo.ask("try lock /l"), "refused", "kazoo's waits for ours, of its own layout");
    const asked = kazoo.ask("acquire lock /l");
    while ((await new Lock(client, "/l").contenders()).length < 2) await client.sleep(5);
    await grant.release();
    t.equal(await asked, "acquired");
    t.equal(await kazoo.ask("release"), "released");
  });

  await t.test("readers and writers", async (t) => {
    const lock = new ReadWriteLock(client, "/rw", { layout });
    t.equal(await kazoo.ask("acquire read /rw"), "acquired");
    await using read = await lock.read(short);
    t.ok(read.held, "readers share");
    t.equal(await new ReadWriteLock(client, "/rw", { layout }).tryWrite(), undefined);
    t.equal(await kazoo.ask("release"), "released");
    t.equal(await kazoo.ask("try write /rw"), "refused");
    await read.release();
    {
      await using write = await lock.write(short);
      t.ok(write.held);
      t.equal(await kazoo.ask("try read /rw"), "refused");
    }
    t.equal(await kazoo.ask("acquire write /rw"), "acquired");
    t.equal(await lock.tryRead(), undefined);
    t.equal(await kazoo.ask("release"), "released");
  });

  await t.test("a semaphore", async (t) => {
    const semaphore = new Semaphore(client, "/s", 2, { layout });
    t.equal(await kazoo.ask("acquire semaphore /s"), "acquired");
    const lease = await semaphore.acquire(short);
    t.equal(await kazoo.ask("try semaphore /s"), "refused");
    t.equal(await semaphore.tryAcquire(), undefined);
    t.equal(await kazoo.ask("release"), "released");
    const second = await semaphore.acquire(short);
    await Promise.all([lease.release(), second.release()]);
    t.equal(await kazoo.ask("try semaphore /s"), "acquired");
    t.equal(await kazoo.ask("release"), "released");
  });

  await t.test("an election", async (t) => {
    const election = new Election(client, "/e", { layout, data: "zabra" });
    const term = await election.campaign();
    const leads = kazoo.ask("lead /e");
    while ((await election.candidates()).length < 2) await client.sleep(5);
    await term.resign();
    t.equal(await leads, "leads");
    t.equal(new TextDecoder().decode((await election.leader())?.data), "kazoo");
  });
});
