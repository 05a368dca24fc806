/** What the tests of moving in put into ZooKeeper, and how it is changed while it is copied. */
import type { ZooKeeperWriter } from "./zookeeper.ts";

const perDirectory = 500;
const pipelined = 400;
const digestAcl = [
  { perms: 31, scheme: "digest", id: "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=" },
  { perms: 1, scheme: "world", id: "anyone" },
];

/** `count` nodes below /load, and some of every kind below /kinds. */
export async function fillZooKeeper(writer: ZooKeeperWriter, count: number): Promise<void> {
  await writer.create("/load", "");
  let waiting: Promise<unknown>[] = [];
  for (let i = 0; i < count; i += 1) {
    const directory = `/load/d${Math.floor(i / perDirectory)}`;
    if (i % perDirectory === 0) waiting.push(writer.create(directory, `of ${i}`));
    else waiting.push(writer.create(`${directory}/n${i}`, `${i} `.repeat(1 + (i % 30))));
    if (waiting.length < pipelined) continue;
    await Promise.all(waiting);
    waiting = [];
  }
  await Promise.all(waiting);
  await writer.create("/kinds", "");
  await writer.create("/kinds/container", "c", "container");
  await writer.create("/kinds/container/child", "");
  await writer.create("/kinds/ttl", "t", { ttlMs: 3_600_000 });
  await writer.create("/kinds/ephemeral", "e", "ephemeral");
  await writer.create("/kinds/secret", "s", "persistent", digestAcl);
  await writer.create("/kinds/lock", "");
  for (let i = 0; i < 30; i += 1) await writer.delete(await writer.create("/kinds/lock/l-", "", "sequential"));
}

/** Writes of all sorts, a few at a time, until stopped. Counts them. */
export class Churn {
  readonly #writer: ZooKeeperWriter;
  readonly #count: number;
  #running = true;
  readonly #ended: Promise<void>;
  writes = 0;

  constructor(writer: ZooKeeperWriter, count: number) {
    this.#writer = writer;
    this.#count = count;
    this.#ended = this.#run();
  }

  async stop(): Promise<number> {
    this.#running = false;
    await this.#ended;
    return this.writes;
  }

  async #run(): Promise<void> {
    const writer = this.#writer;
    for (let i = 1; this.#running; i += 1) {
      const at = 1 + ((i * 7_919) % (this.#count - 1));
      const node = at % perDirectory === 0 ? at + 1 : at;
      const path = `/load/d${Math.floor(node / perDirectory)}/n${node}`;
      const fresh = `/load/fresh${i}`;
      const writes = [
        writer.set(path, `set ${i}`),
        writer.create(fresh, "", i % 5 === 0 ? "container" : "persistent"),
        writer.create(`${fresh}/child`, `${i}`),
        writer.setAcl(path, i % 2 === 0 ? digestAcl : [{ perms: 31, scheme: "world", id: "anyone" }]),
        writer.create("/kinds/lock/m-", "", "sequential").then((created) => writer.delete(created)),
      ];
      await Promise.all(writes);
      // Gone, and back as another node.
      await writer.delete(`${fresh}/child`);
      if (i % 3 === 0) await writer.create(`${fresh}/child`, "again");
      this.writes += writes.length + 2;
    }
  }
}
