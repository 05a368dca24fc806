/** The read/write lock: while a writer holds, nobody else does, at any true time; writers' tokens rise; a value that only writers change stays the same under a reader. */
import type { Client } from "../../../client/index.ts";
import { type Grant, ReadWriteLock, type SharedGrant, type WaitOptions } from "../../../client/recipes/index.ts";
import { mutant } from "../../../src/model/mutant.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/locks/rw";
const value = "/value";

interface Held {
  readonly client: Client;
  readonly mode: "read" | "write";
  readonly grant: SharedGrant;
}

class ReadWriteWork {
  readonly #stage: RecipeStage;
  readonly #held = new Set<Held>();
  #lastToken = 0;

  constructor(stage: RecipeStage) {
    this.#stage = stage;
  }

  async play(): Promise<void> {
    const stage = this.#stage;
    await stage.witness.create(value, "0");
    await stage.during(
      stage.repeat((client) => this.#round(client)),
      () => this.#look(),
    );
    const lock = new ReadWriteLock(stage.witness, path);
    const isEmpty = async (): Promise<boolean> => (await lock.contenders()).length === 0;
    await stage.eventually("read/write lock: after quiet nobody is left in the queue", 5_000, isEmpty, lock.path);
  }

  async #round(client: Client): Promise<void> {
    const { random } = this.#stage;
    const lock = new ReadWriteLock(client, path);
    const wait = { timeoutMs: random.between(300, 4_000) };
    if (random.chance(0.15)) return this.#withLock(client, lock, wait);
    if (random.chance(0.65)) {
      const grant = random.chance(0.1) ? await lock.tryRead(wait) : await lock.read(wait);
      if (grant !== undefined)
        await this.#release(
          grant,
          this.#hold({ client, mode: "read", grant }, () => this.#read(client, grant)),
        );
    } else {
      const grant = random.chance(0.1) ? await lock.tryWrite(wait) : await lock.write(wait);
      if (grant !== undefined)
        await this.#release(
          grant,
          this.#hold({ client, mode: "write", grant }, () => this.#write(client, grant)),
        );
    }
  }

  async #withLock(client: Client, lock: ReadWriteLock, wait: WaitOptions): Promise<void> {
    const { random } = this.#stage;
    const work = async (held: Held): Promise<boolean> => {
      await this.#hold(held, () => client.sleep(random.between(0, 200)));
      return held.grant.held;
    };
    const held = random.chance(0.5)
      ? await lock.withRead((_signal, grant) => work({ client, mode: "read", grant }), wait)
      : await lock.withWrite((_signal, grant) => work({ client, mode: "write", grant }), wait);
    this.#stage.check("read/write lock: work under a lost lock does not end well", held);
  }

  async #hold(held: Held, work: () => Promise<void>): Promise<void> {
    this.#stage.spotlight = held.client;
    this.#held.add(held);
    this.#stage.note(`${this.#stage.nameOf(held.client)} may ${held.mode}`);
    this.#look();
    try {
      await work();
    } finally {
      this.#held.delete(held);
    }
  }

  async #release(grant: SharedGrant, work: Promise<void>): Promise<void> {
    try {
      await work;
    } finally {
      await grant.release();
    }
  }

  /** The same twice, unless the reader had lost its lock meanwhile. */
  async #read(client: Client, grant: SharedGrant): Promise<void> {
    const first = (await client.get(value)).text;
    await this.#dwell(client);
    const second = (await client.get(value)).text;
    if (!grant.held) return;
    this.#stage.mark("read");
    this.#stage.check("read/write lock: nothing changes under a reader", first === second, `${first}, then ${second}`);
  }

  async #write(client: Client, grant: Grant): Promise<void> {
    const last = this.#lastToken;
    this.#lastToken = grant.token;
    this.#stage.check("read/write lock: writers' tokens rise", grant.token > last, `${grant.token} after ${last}`);
    await this.#dwell(client);
    await client.set(value, String(grant.token), mutant("an unguarded write") ? {} : { guard: grant.guard });
    this.#stage.mark("written");
  }

  /** Now and then for long, without a look at the signal, as users' code does. */
  async #dwell(client: Client): Promise<void> {
    const { random } = this.#stage;
    await client.sleep(random.chance(0.15) ? random.between(200, 900) : random.between(0, 30));
  }

  #look(): void {
    const held = [...this.#held].filter(({ client, grant }) => !this.#stage.ensemble.isSuspended(client) && grant.held);
    const writers = held.filter(({ mode }) => mode === "write").length;
    const story = (): string => held.map(({ client, mode }) => `${this.#stage.nameOf(client)} ${mode}s`).join(", ");
    this.#stage.check("read/write lock: a writer is alone", writers === 0 || held.length === 1, story);
    if (held.length > 1) this.#stage.mark("several read");
  }
}

export const recipe: RecipeWorkload = {
  name: "read-write-lock",
  plays: ["ReadWriteLock"],
  clients: 4,
  marks: ["read", "several read", "written"],
  bugs: [
    { name: "a reader waits for nobody", breaks: "read/write lock: a writer is alone", seed: 1 },
    { name: "a writer waits for writers alone", breaks: "read/write lock: a writer is alone", seed: 1 },
    { name: "a token forgets the epoch", breaks: "read/write lock: writers' tokens rise", seed: 4 },
    { name: "an unguarded write", breaks: "read/write lock: nothing changes under a reader", seed: 26 },
    { name: "a loss is not told", breaks: "read/write lock: work under a lost lock does not end well", seed: 4 },
    { name: "who gives up stays in the queue", breaks: "read/write lock: after quiet nobody is left in the queue", seed: 1 },
  ],
  play: (stage) => new ReadWriteWork(stage).play(),
};
