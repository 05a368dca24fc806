/**
 * What clients do: a random mix over few paths, so that operations meet. Each client has its own
 * temper (rate, share of writes, levels, pipelining), drawn once; some subscribe to a stream.
 */
import { openAcl } from "../../src/model/acl.ts";
import type {
  Condition,
  CreateRequest,
  DeleteRequest,
  NodeKind,
  ReadLevel,
  Request,
  SetDataRequest,
} from "../../src/model/request.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import { registerPath } from "./check/register-search.ts";
import type { AnyClient } from "./client.ts";
import type { Cluster } from "./cluster.ts";
import type { Pace } from "./pace.ts";
import type { Random } from "./random.ts";

const directories = ["/a", "/b", "/q"];
const names = ["x", "y", "z"];

interface Temper {
  readonly meanGapMs: number;
  readonly writes: number;
  readonly pipeline: number;
  readonly ephemerals: number;
  readonly multis: number;
  readonly watches: number;
  readonly closes: number;
}

export class Workload {
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #tempers = new Map<AnyClient, Temper>();
  readonly #pace: Pace | undefined;
  /** Nobody asks anything before this time. */
  #napUntil = 0;
  #counter = 0;
  stopped = false;

  constructor(cluster: Cluster, pace?: Pace) {
    this.#pace = pace;
    this.#cluster = cluster;
    this.#random = cluster.random.fork("workload");
  }

  start(): void {
    for (const client of this.#cluster.clients) {
      const r = this.#random;
      this.#tempers.set(client, {
        meanGapMs: this.#pace === undefined ? r.logBetween(4, 120) : r.logBetween(300, 20_000),
        writes: r.between(0.2, 0.8),
        pipeline: 1 + r.below(6),
        ephemerals: r.chance(0.6) ? r.between(0.05, 0.5) : 0,
        multis: r.chance(0.5) ? r.between(0.02, 0.2) : 0,
        watches: r.chance(0.5) ? 0.5 : 0,
        closes: r.chance(0.3) ? 0.005 : 0,
      });
      if (r.chance(0.6))
        client.subscribe({ path: r.chance(0.3) ? "/" : r.pick(directories), recursive: r.chance(0.7), withData: r.chance(0.5) });
      this.#next(client);
    }
    if (this.#pace !== undefined) this.#nap();
  }

  stop(): void {
    this.stopped = true;
  }

  /** Work and naps by turns, for seconds up to many minutes. */
  #nap(): void {
    const { scheduler } = this.#cluster;
    const workMs = this.#random.logBetween(10_000, 300_000);
    scheduler.after(workMs, () => {
      const napMs = this.#random.logBetween(5_000, 900_000);
      this.#napUntil = scheduler.now + napMs;
      if (!this.stopped) scheduler.after(napMs, () => this.#nap());
    });
  }

  #next(client: AnyClient): void {
    const temper = this.#tempers.get(client) as Temper;
    const { scheduler } = this.#cluster;
    const begin = Math.max(scheduler.now, this.#napUntil);
    scheduler.at(begin + this.#random.exponential(temper.meanGapMs), () => {
      if (this.stopped) return;
      const count = 1 + this.#random.below(temper.pipeline);
      for (let i = 0; i < count; i += 1) this.#call(client, temper);
      this.#next(client);
    });
  }

  #call(client: AnyClient, temper: Temper): void {
    if (!client.ready || client.outstanding >= 12 || this.#cluster.resting.has(client)) return;
    const r = this.#random;
    if (r.chance(0.05)) return this.#register(client);
    const write = r.chance(temper.writes);
    const request = write ? this.#write(temper) : this.#read(temper);
    const level = request.type === "sync" ? ({ type: "linearizable" } as const) : this.#level();
    const operation = client.call(request, write, level);
    if (operation !== undefined) this.#cluster.checks.invoked(operation);
  }

  /** One node by itself, always linearizably: the register that is also judged without zxids. */
  #register(client: AnyClient): void {
    const r = this.#random;
    const path = registerPath;
    const roll = r.float();
    let request: Request = { type: "getData", path, watch: false };
    if (roll < 0.25) request = { type: "setData", path, data: this.#data(), version: -1 };
    else if (roll < 0.35) request = { type: "delete", path, version: -1 };
    else if (roll < 0.5)
      request = { type: "create", path, data: this.#data(), kind: "persistent", sequential: false, ttlMs: 0, acl: openAcl };
    const operation = client.call(request, roll < 0.5, { type: "linearizable" });
    if (operation !== undefined) this.#cluster.checks.invoked(operation);
  }

  #level(): ReadLevel {
    const r = this.#random;
    if (r.chance(0.6)) return { type: "linearizable" };
    if (r.chance(0.8)) return { type: "session" };
    return { type: "atLeast", zxid: this.#cluster.history.shown as Zxid };
  }

  #path(): string {
    const directory = this.#random.pick(directories);
    return this.#random.chance(0.25) ? directory : `${directory}/${this.#random.pick(names)}`;
  }

  #data(): Uint8Array {
    this.#counter += 1;
    return Buffer.from(`v${this.#counter}${this.#random.chance(0.1) ? "x".repeat(this.#random.below(400)) : ""}`);
  }

  #write(temper: Temper): Request {
    const r = this.#random;
    if (r.chance(temper.closes)) return { type: "closeSession" };
    if (r.chance(temper.multis)) return this.#multi(temper);
    if (r.chance(0.02)) return { type: "deleteRecursive", path: r.pick(directories) };
    if (r.chance(0.04)) return { type: "setAcl", path: this.#path(), acl: openAcl, version: -1 };
    return this.#simple(temper);
  }

  #simple(temper: Temper): CreateRequest | DeleteRequest | SetDataRequest {
    const r = this.#random;
    const roll = r.float();
    if (roll < 0.45) return this.#create(temper);
    if (roll < 0.65) return { type: "delete", path: this.#path(), version: r.chance(0.8) ? -1 : r.below(3) };
    return { type: "setData", path: this.#path(), data: this.#data(), version: r.chance(0.7) ? -1 : r.below(4) };
  }

  #create(temper: Temper): CreateRequest {
    const r = this.#random;
    if (r.chance(0.3))
      return {
        type: "create",
        path: r.pick(directories),
        data: undefined,
        kind: "persistent",
        sequential: false,
        ttlMs: 0,
        acl: openAcl,
      };
    const sequential = r.chance(0.3);
    const kind: NodeKind = r.chance(temper.ephemerals)
      ? "ephemeral"
      : r.chance(0.05)
        ? "container"
        : r.chance(0.05)
          ? "ttl"
          : "persistent";
    const path = sequential ? `${r.pick(directories)}/n-` : this.#path();
    return {
      type: "create",
      path,
      data: r.chance(0.1) ? undefined : this.#data(),
      kind,
      sequential,
      ttlMs: kind === "ttl" ? this.#ttlMs() : 0,
      acl: openAcl,
    };
  }

  #ttlMs(): number {
    return this.#pace === undefined ? 300 + this.#random.below(1_000) : Math.floor(this.#random.logBetween(1_000, 300_000));
  }

  #multi(temper: Temper): Request {
    const r = this.#random;
    const conditions: Condition[] = [];
    if (r.chance(0.5))
      conditions.push(r.chance(0.5) ? { type: "absent", path: this.#path() } : { type: "present", path: this.#path() });
    const then = Array.from({ length: 1 + r.below(3) }, () => this.#simple(temper));
    const otherwise = r.chance(0.4) ? [this.#simple(temper)] : undefined;
    return { type: "multi", conditions, then, otherwise };
  }

  #read(temper: Temper): Request {
    const r = this.#random;
    const watch = r.chance(temper.watches);
    const roll = r.float();
    if (roll < 0.4) return { type: "getData", path: this.#path(), watch };
    if (roll < 0.6) return { type: "exists", path: this.#path(), watch };
    if (roll < 0.8) return { type: "getChildren", path: r.chance(0.8) ? r.pick(directories) : "/", watch };
    if (roll < 0.87) return { type: "sync", path: "/" };
    if (roll < 0.94)
      return {
        type: "list",
        path: r.pick(directories),
        recursive: r.chance(0.3),
        prefix: "",
        withData: r.chance(0.5),
        limit: 4,
        cursor: undefined,
      };
    return {
      type: "multiRead",
      reads: [
        { type: "getData", path: this.#path(), watch: false },
        { type: "getChildren", path: r.pick(directories), watch: false },
      ],
    };
  }
}
