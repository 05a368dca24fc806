/**
 * A stream over a subtree that changes without pause, while its client is cut off again and again and
 * goes on at another server, and servers are killed and restarted. Every change must arrive once, in order,
 * and no txn may be split. Used by the test and by the long script.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Client, connect, type Stream, type StreamBatch, ZabraError } from "../../client/index.ts";
import { LinkProxy } from "../support/link-proxy.ts";
import type { ProcessEnsemble } from "./process-ensemble.ts";

export interface StreamCutsOptions {
  readonly changes: number;
  readonly cuts: number;
  /** Servers killed and restarted on the way, one at a time. */
  readonly restarts: number;
}

export interface StreamCutsReport {
  readonly received: number;
  readonly cuts: number;
  readonly restarts: number;
  /** Connections of the stream's client to each server. */
  readonly connections: readonly number[];
  readonly problems: readonly string[];
}

const rootDefault = "/streamed";
const nodes = 50;
const writers = 4;
const callTimeoutMs = 60_000;
/** Of so many nodes one has a twin, and is changed together with it. */
const multiEvery = 7;

export async function streamCuts(ensemble: ProcessEnsemble, options: StreamCutsOptions): Promise<StreamCutsReport> {
  const proxies = await Promise.all(ensemble.members.map((member) => LinkProxy.start(member.http)));
  const writing = await connect(ensemble.urls, { sessionTimeoutMs: 60_000, callTimeoutMs });
  const reading = await connect(
    proxies.map((proxy) => `ws://127.0.0.1:${proxy.port}`),
    { sessionTimeoutMs: 60_000 },
  );
  try {
    const streamed = await Streamed.begin(writing, reading, { changes: options.changes });
    await disturb(ensemble, proxies, streamed.ledger, options);
    await streamed.end();
    const { ledger } = streamed;
    return {
      received: ledger.received,
      cuts: options.cuts,
      restarts: options.restarts,
      connections: proxies.map((proxy) => proxy.accepted),
      problems: ledger.problems(),
    };
  } finally {
    await Promise.all([writing.close(), reading.close()]);
    for (const proxy of proxies) await proxy.close();
  }
}

/** A stream and those who write below it; without `changes`, until `end`. */
export class Streamed {
  readonly ledger: Ledger;
  readonly #writing: Client;
  readonly #stream: Stream;
  readonly #root: string;
  readonly #consumed: Promise<void>;
  readonly #written: Promise<void>;
  #left: number;

  private constructor(writing: Client, stream: Stream, ledger: Ledger, options: StreamedOptions) {
    this.#writing = writing;
    this.#stream = stream;
    this.#root = options.root ?? rootDefault;
    this.ledger = ledger;
    this.#left = options.changes ?? Number.POSITIVE_INFINITY;
    this.#consumed = consume(stream, ledger);
    this.#written = this.#write(options.pauseMs ?? 0).finally(() => {
      ledger.writing = false;
    });
  }

  static async begin(writing: Client, reading: Client, options: StreamedOptions): Promise<Streamed> {
    const root = options.root ?? rootDefault;
    await writing.ensurePath(root);
    const ledger = new Ledger(root, await writing.countSubtree(root));
    // Its server may be behind, and would tell of the root's own creation as a change.
    await reading.sync();
    const stream = reading.subscribe(root, { recursive: true });
    const first = await stream.next();
    ledger.onBatch(first.value);
    return new Streamed(writing, stream, ledger, options);
  }

  /** Lets a bounded number of changes be made, or stops an endless writing; resolves when all have come. */
  async end(): Promise<void> {
    if (this.#left === Number.POSITIVE_INFINITY) this.#left = 0;
    await this.#written;
    // The last thing written: once it has come, everything before it must have.
    const { zxid } = await this.#writing.create(`${this.#root}/end`, undefined, { timeoutMs: callTimeoutMs });
    this.ledger.wrote(zxid, [`created ${this.#root}/end`]);
    await this.#consumed;
    await this.#stream.return();
  }

  /** Several at a time, so that changes come in every txn and batch size. Each writer has nodes of its own. */
  async #write(pauseMs: number): Promise<void> {
    const one = async (writer: number): Promise<void> => {
      const exists = new Set<string>();
      for (let n = 0; this.#left > 0; n += 1) {
        const node = n % nodes;
        const path = `${this.#root}/w${writer}-${node}`;
        const operation = exists.has(path) ? (n % 3 === 0 ? "delete" : "set") : "create";
        const pair = node % multiEvery === 0;
        this.#left -= pair ? 2 : 1;
        await perform(this.#writing, this.ledger, operation, path, pair);
        if (operation === "create") exists.add(path);
        else if (operation === "delete") exists.delete(path);
        if (pauseMs > 0) await delay(pauseMs);
      }
    };
    await Promise.all(Array.from({ length: writers }, (_, writer) => one(writer)));
  }
}

export interface StreamedOptions {
  readonly changes?: number;
  readonly root?: string;
  /** Between two writes of a writer. */
  readonly pauseMs?: number;
}

async function consume(stream: AsyncIterable<StreamBatch>, ledger: Ledger): Promise<void> {
  for await (const batch of stream) {
    ledger.onBatch(batch);
    if (ledger.ended) return;
  }
}

const words = { create: "created", set: "dataChanged", delete: "deleted" } as const;

async function perform(
  client: Client,
  ledger: Ledger,
  operation: keyof typeof words,
  path: string,
  pair: boolean,
): Promise<void> {
  const second = `${path}-p`;
  const changes = pair ? [`${words[operation]} ${path}`, `${words[operation]} ${second}`] : [`${words[operation]} ${path}`];
  try {
    if (pair) {
      const transaction = client.transaction();
      for (const one of [path, second]) {
        if (operation === "create") transaction.create(one, path);
        else if (operation === "set") transaction.set(one, path);
        else transaction.delete(one);
      }
      ledger.wrote((await transaction.commit()).zxid, changes);
    } else if (operation === "create") ledger.wrote((await client.create(path, path)).zxid, changes);
    else if (operation === "set") ledger.wrote((await client.set(path, path)).zxid, changes);
    else ledger.wrote((await client.delete(path)).zxid, changes);
  } catch (error) {
    if (!(error instanceof ZabraError)) throw error;
    if (error.code === "READ_ONLY") {
      await delay(100);
      return perform(client, ledger, operation, path, pair);
    }
    ledger.failed(`${operation} ${path}: ${error.message}`);
  }
}

/** Cuts and restarts, spread evenly over the changes received. */
async function disturb(
  ensemble: ProcessEnsemble,
  proxies: readonly LinkProxy[],
  ledger: Ledger,
  options: StreamCutsOptions,
): Promise<void> {
  const restartEvery = Math.max(1, Math.floor(options.cuts / Math.max(1, options.restarts)));
  let restarts = 0;
  for (let cut = 1; cut <= options.cuts; cut += 1) {
    const at = Math.floor((options.changes * cut) / (options.cuts + 1));
    while (ledger.received < at && ledger.writing) await delay(1);
    const before = proxies.reduce((sum, proxy) => sum + proxy.accepted, 0);
    for (const proxy of proxies) proxy.cut();
    if (cut % restartEvery === 0 && restarts < options.restarts) {
      restarts += 1;
      await restart(ensemble, 1 + (restarts % ensemble.members.length));
    }
    while (proxies.reduce((sum, proxy) => sum + proxy.accepted, 0) === before) await delay(1);
  }
}

async function restart(ensemble: ProcessEnsemble, id: number): Promise<void> {
  await ensemble.signal(id, "SIGKILL");
  ensemble.startServer(id);
  await ensemble.waitServing(undefined, 60_000);
}

/** What was written, by zxid, and what came. */
export class Ledger {
  readonly #written = new Map<number, readonly string[]>();
  readonly #received: { readonly zxid: number; readonly change: string }[] = [];
  readonly #problems: string[] = [];
  readonly #root: string;
  readonly #before: number;
  #snapshots = 0;
  #lastZxid = 0;
  /** Until all writers are done; then a change that has not come is no longer waited for. */
  writing = true;
  ended = false;

  constructor(root: string, before: number) {
    this.#root = root;
    this.#before = before;
  }

  get received(): number {
    return this.#received.length;
  }

  wrote(zxid: number, changes: readonly string[]): void {
    if (this.#written.has(zxid)) this.#problems.push(`two writes were answered with zxid ${zxid}`);
    this.#written.set(zxid, changes);
  }

  failed(problem: string): void {
    this.#problems.push(problem);
  }

  onBatch(batch: StreamBatch | undefined): void {
    if (batch === undefined) this.#problems.push("the stream ended");
    else if (batch.type === "snapshot") this.#onSnapshot(batch.entries.length, batch.zxid);
    else {
      for (const { type, path, zxid } of batch.changes) {
        if (zxid < this.#lastZxid) this.#problems.push(`a change of ${zxid} came after one of ${this.#lastZxid}`);
        if (zxid > batch.zxid) this.#problems.push(`a change of ${zxid} came in a batch that ends at ${batch.zxid}`);
        this.#lastZxid = zxid;
        this.#received.push({ zxid, change: `${type} ${path}` });
        if (path === `${this.#root}/end`) this.ended = true;
      }
      // All changes of a txn come in one batch: the next batch begins above this one's end.
      this.#lastZxid = Math.max(this.#lastZxid, batch.zxid);
    }
  }

  #onSnapshot(entries: number, zxid: number): void {
    this.#snapshots += 1;
    if (this.#snapshots > 1) this.#problems.push("a second snapshot came: changes were skipped");
    // The node itself is among them.
    if (entries !== this.#before + 1) this.#problems.push(`the snapshot has ${entries} entries, not ${this.#before + 1}`);
    this.#lastZxid = zxid;
  }

  problems(): readonly string[] {
    const problems = [...this.#problems];
    const came = new Map<number, string[]>();
    for (const { zxid, change } of this.#received) {
      const changes = came.get(zxid) ?? [];
      changes.push(change);
      came.set(zxid, changes);
    }
    for (const [zxid, changes] of this.#written) {
      const got = came.get(zxid)?.join(", ") ?? "nothing";
      if (got !== changes.join(", ")) problems.push(`zxid ${zxid}: ${changes.join(", ")} was written, ${got} came`);
    }
    for (const [zxid, changes] of came)
      if (!this.#written.has(zxid))
        problems.push(`zxid ${zxid}: ${changes.join(", ")} came, and nobody was told that it was written`);
    return problems;
  }
}
