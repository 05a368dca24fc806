/**
 * Clients that write without pause while servers are killed, and the account of what they were told, held
 * against what the servers have afterwards. Each writer does, at the same time, one call after the other:
 * numbered sequential creates, sets of a node of its own, and compare-and-set on a counter shared by all.
 *
 * Everything lies below one directory, made anew for each `Workload`. Used by kill rounds.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Client, connect, type ListEntry, toText, ZabraError } from "../../client/index.ts";

/** Long enough that a call which does not end is a fault of ours and not of a slow machine. */
const callTimeoutMs = 60_000;
/** Between two creates of a writer: bounds what a check must read. */
const createPauseMsDefault = 5;

/** Pauses between a writer's calls, ms. */
export interface Pace {
  readonly createPauseMs: number;
  /** Also of the increments. */
  readonly setPauseMs: number;
}

/** What one writer was told. */
interface Account {
  /** Number → path. */
  readonly created: Map<number, string>;
  readonly createsUnknown: Set<number>;
  setsAcked: number;
  setsUnknown: number;
  /** The highest number sent to the own node. */
  lastSet: number;
  lastAckMs: number;
  longestGapMs: number;
}

export class Workload {
  readonly directory: string;
  readonly #accounts: Account[] = [];
  readonly #problems: string[] = [];
  #counterAcked = 0;
  #counterUnknown = 0;
  #running = true;
  #loops: Promise<void>[] = [];
  #lastAckMs = performance.now();
  #longestGapMs = 0;
  #acks = 0;

  readonly #pace: Pace;

  private constructor(directory: string, pace: Pace) {
    this.directory = directory;
    this.#pace = pace;
  }

  static async begin(
    directory: string,
    clients: readonly Client[],
    pace: Pace = { createPauseMs: createPauseMsDefault, setPauseMs: 0 },
  ): Promise<Workload> {
    const workload = new Workload(directory, pace);
    const [first] = clients;
    if (first === undefined) throw new Error("no clients");
    await first.ensurePath(directory);
    await first.create(`${directory}/counter`, "0");
    for (const [index, client] of clients.entries()) {
      await client.create(`${directory}/c${index}`);
      await client.create(`${directory}/own-${index}`, "0");
      const account: Account = {
        created: new Map(),
        createsUnknown: new Set(),
        setsAcked: 0,
        setsUnknown: 0,
        lastSet: 0,
        lastAckMs: performance.now(),
        longestGapMs: 0,
      };
      workload.#accounts.push(account);
      workload.#loops.push(
        workload.#createLoop(client, index, account),
        workload.#setLoop(client, index, account),
        workload.#counterLoop(client, account),
      );
    }
    return workload;
  }

  get acks(): number {
    return this.#acks;
  }

  /** Between two acknowledged writes, whoever's, since the last `resetGaps`. */
  get longestGapMs(): number {
    return Math.round(Math.max(this.#longestGapMs, performance.now() - this.#lastAckMs));
  }

  /** Of the writer that waited longest. */
  get longestWriterGapMs(): number {
    return Math.round(Math.max(...this.#accounts.map((account) => account.longestGapMs)));
  }

  resetGaps(): void {
    this.#longestGapMs = 0;
    for (const account of this.#accounts) account.longestGapMs = 0;
  }

  /** Resolves once every writer has had a write acknowledged after this call. */
  async everyWriterAcked(deadlineMs = 60_000): Promise<void> {
    const sinceMs = performance.now();
    while (this.#accounts.some((account) => account.lastAckMs <= sinceMs)) {
      if (performance.now() > sinceMs + deadlineMs) throw new Error(`some writer had no write acknowledged for ${deadlineMs} ms`);
      await delay(2);
    }
  }

  /** Resolves when every call has ended. */
  async end(deadlineMs = callTimeoutMs + 15_000): Promise<void> {
    this.#running = false;
    const late = new AbortController();
    const timer = delay(deadlineMs, "late" as const, { signal: late.signal }).catch(() => "late" as const);
    const how = await Promise.race([Promise.all(this.#loops).then(() => "ended" as const), timer]);
    late.abort();
    if (how === "late") this.#problems.push(`a call has not ended ${deadlineMs} ms after its deadline`);
  }

  // ---- the writers

  #acked(account: Account): void {
    const nowMs = performance.now();
    this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastAckMs);
    account.longestGapMs = Math.max(account.longestGapMs, nowMs - account.lastAckMs);
    this.#lastAckMs = nowMs;
    account.lastAckMs = nowMs;
    this.#acks += 1;
  }

  /** True: the call's outcome is unknown. No call should end so, or fail, within its deadline; but a full disk is told at once. */
  #failed(what: string, error: unknown): boolean {
    if (error instanceof ZabraError && error.code === "READ_ONLY") return false;
    this.#problems.push(`${what}: ${String(error)}`);
    if (!(error instanceof ZabraError)) throw error;
    return error.outcome === "unknown";
  }

  async #createLoop(client: Client, index: number, account: Account): Promise<void> {
    for (let number = 1; this.#running; number += 1) {
      try {
        const { path } = await client.create(`${this.directory}/c${index}/n-`, String(number), {
          sequential: true,
          timeoutMs: callTimeoutMs,
        });
        account.created.set(number, path);
        this.#acked(account);
      } catch (error) {
        if (this.#failed(`create ${number} of writer ${index}`, error)) account.createsUnknown.add(number);
      }
      await delay(this.#pace.createPauseMs);
    }
  }

  async #setLoop(client: Client, index: number, account: Account): Promise<void> {
    while (this.#running) {
      account.lastSet += 1;
      try {
        const { stat } = await client.set(`${this.directory}/own-${index}`, String(account.lastSet), {
          timeoutMs: callTimeoutMs,
        });
        account.setsAcked += 1;
        this.#acked(account);
        if (stat.version < account.setsAcked || stat.version > account.setsAcked + account.setsUnknown) {
          this.#problems.push(`set ${account.setsAcked} of writer ${index} was answered with version ${stat.version}`);
        }
      } catch (error) {
        if (this.#failed(`set ${account.lastSet} of writer ${index}`, error)) account.setsUnknown += 1;
        else account.lastSet -= 1;
      }
      if (this.#pace.setPauseMs > 0) await delay(this.#pace.setPauseMs);
    }
  }

  async #counterLoop(client: Client, account: Account): Promise<void> {
    const path = `${this.directory}/counter`;
    while (this.#running) {
      if (this.#pace.setPauseMs > 0) await delay(this.#pace.setPauseMs);
      const acked = this.#counterAcked;
      try {
        const read = await client.get(path, { timeoutMs: callTimeoutMs });
        const value = Number(toText(read.data));
        if (value < acked)
          this.#problems.push(`a linearizable read saw ${value} after ${acked} increments had been acknowledged`);
        if (value !== read.stat.version) this.#problems.push(`the counter is ${value} at version ${read.stat.version}`);
        await client.set(path, String(value + 1), { version: read.stat.version, timeoutMs: callTimeoutMs });
        this.#counterAcked += 1;
        this.#acked(account);
      } catch (error) {
        if (error instanceof ZabraError && error.code === "BAD_VERSION") continue;
        if (this.#failed("increment", error)) this.#counterUnknown += 1;
      }
    }
  }

  // ---- the check

  /** What does not fit, in words; empty when all is well. Call it after `end`, for a client of each server. */
  async check(reader: Client): Promise<readonly string[]> {
    const problems = [...this.#problems];
    // From here on `session` reads at this very server show all that was acknowledged.
    await reader.sync();
    for (const [index, account] of this.#accounts.entries()) {
      const entries: ListEntry[] = [];
      for await (const entry of reader.list(`${this.directory}/c${index}`, { level: "session", withData: true, pageSize: 5_000 }))
        entries.push(entry);
      problems.push(...checkCreates(index, account, entries));
      const own = await reader.get(`${this.directory}/own-${index}`, { level: "session" });
      problems.push(...checkOwn(index, account, toText(own.data) ?? "", own.stat.version));
    }
    problems.push(...(await this.#checkCounter(reader)));
    return problems;
  }

  async #checkCounter(reader: Client): Promise<readonly string[]> {
    const { data, stat } = await reader.get(`${this.directory}/counter`, { level: "session" });
    const low = this.#counterAcked;
    const fits = Number(toText(data)) === stat.version && stat.version >= low && stat.version <= low + this.#counterUnknown;
    return fits
      ? []
      : [
          `the counter is ${toText(data)} at version ${stat.version}; ${low} increments were acknowledged, ${this.#counterUnknown} are unknown`,
        ];
  }
}

function checkCreates(index: number, account: Account, entries: readonly ListEntry[]): readonly string[] {
  const problems: string[] = [];
  const found = new Map<number, string>();
  for (const entry of entries) {
    const number = Number(new TextDecoder().decode(entry.data));
    if (found.has(number)) problems.push(`create ${number} of writer ${index} was applied twice`);
    found.set(number, entry.path);
    if (!account.created.has(number) && !account.createsUnknown.has(number))
      problems.push(`create ${number} of writer ${index} was refused, and yet ${entry.path} exists`);
  }
  let last = "";
  for (const [number, path] of account.created) {
    if (found.get(number) !== path)
      problems.push(`create ${number} of writer ${index} was acknowledged as ${path}, and is ${found.get(number) ?? "lost"}`);
    if (path <= last) problems.push(`writer ${index}: ${path} was created after ${last}`);
    last = path;
  }
  return problems;
}

function checkOwn(index: number, account: Account, data: string, version: number): readonly string[] {
  const problems: string[] = [];
  if (version < account.setsAcked || version > account.setsAcked + account.setsUnknown) {
    problems.push(
      `the node of writer ${index} has version ${version} after ${account.setsAcked} acknowledged sets (${account.setsUnknown} unknown)`,
    );
  }
  if (account.setsUnknown === 0 && Number(data) !== account.lastSet)
    problems.push(`the node of writer ${index} holds ${data}, and ${account.lastSet} was written last`);
  return problems;
}

/** Connected, and noting when a session was lost. */
export async function connectWriters(
  urls: readonly string[],
  count: number,
  sessionTimeoutMs: number,
  onLost: (index: number) => void,
): Promise<readonly Client[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => connect(urls, { sessionTimeoutMs, callTimeoutMs })));
  for (const [index, client] of clients.entries()) {
    client.onState((state) => {
      if (state.type === "lost") onLost(index);
    });
  }
  return clients;
}

/** At every server: they must hold the same. */
export async function checkAtAll(urls: readonly string[], workload: Workload): Promise<readonly string[]> {
  const problems = new Set<string>();
  for (const [index, url] of urls.entries()) {
    const reader = await connect(url);
    for (const problem of await workload.check(reader)) problems.add(`at server ${index + 1}: ${problem}`);
    await reader.close();
  }
  return [...problems];
}
