/** The read/write lock: while a writer holds, nobody else does, at any true time; writers' tokens rise; a value that only writers change stays the same under a reader. */
import type { Client } from "../../../client/index.ts";
import { type Grant, ReadWriteLock, type SharedGrant } from "../../../client/recipes/index.ts";
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
    const end = async (): Promise<boolean> => (await new ReadWriteLock(stage.witness, path).contenders()).length === 0;
    await stage.ensemble.until(end, 5_000);
  }

  async #round(client: Client): Promise<void> {
    const { random } = this.#stage;
    const lock = new ReadWriteLock(client, path);
    const wait = { timeoutMs: random.between(300, 4_000) };
    if (random.chance(0.65)) {
      const grant = random.chance(0.1) ? await lock.tryRead(wait) : await lock.read(wait);
      if (grant !== undefined) await this.#hold({ client, mode: "read", grant }, () => this.#read(client, grant));
    } else {
      const grant = random.chance(0.1) ? await lock.tryWrite(wait) : await lock.write(wait);
      if (grant !== undefined) await this.#hold({ client, mode: "write", grant }, () => this.#write(client, grant));
    }
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
      await held.grant.release();
    }
  }

  /** The same twice, unless the reader had lost its lock meanwhile. */
  async #read(client: Client, grant: SharedGrant): Promise<void> {
    const first = (await client.get(value)).text;
    await client.sleep(this.#stage.random.between(0, 30));
    const second = (await client.get(value)).text;
    if (!grant.held) return;
    this.#stage.mark("read");
    this.#stage.check("read/write lock: nothing changes under a reader", first === second, `${first}, then ${second}`);
  }

  async #write(client: Client, grant: Grant): Promise<void> {
    const last = this.#lastToken;
    this.#lastToken = grant.token;
    this.#stage.check("read/write lock: writers' tokens rise", grant.token > last, `${grant.token} after ${last}`);
    await client.sleep(this.#stage.random.between(0, 30));
    await client.set(value, String(grant.token), { guard: grant.guard });
    this.#stage.mark("written");
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
    { name: "a reader waits for nobody", seed: 1 },
    { name: "a writer waits for writers alone", seed: 1 },
  ],
  play: (stage) => new ReadWriteWork(stage).play(),
};
