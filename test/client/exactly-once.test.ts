/**
 * Many seeds of an unkind network: every acknowledged write was applied once, and in the order of the
 * calls; what failed for certain was never applied; what is unknown, at most once; a session is believed
 * in only while the server keeps it; and when the network is kind again, everything comes to an end.
 */
import t from "tap";
import { Connection } from "../../client/connection.ts";
import { defaultConnectionOptions } from "../../client/connection-event.ts";
import type { SessionId } from "../../src/model/zxid.ts";
import { get, set } from "./harness.ts";
import { ModelServer } from "./model-server.ts";

const seeds = 300;
const callsPerRun = 120;
const unkindMs = 15_000;

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296;
  };
}

class Run {
  readonly #random: () => number;
  readonly #server: ModelServer;
  readonly #connection: Connection;
  readonly results = new Map<number, string>();
  readonly problems: string[] = [];
  readonly #reads = new Set<number>();
  readonly #believedUntil = new Map<SessionId, number>();
  #calls = 0;
  #final = 0;
  #wakeAtMs: number | undefined;

  constructor(seed: number) {
    this.#random = generator(seed);
    const faults = { breaks: this.#random() * 60, refuses: this.#random() * 100, connectFails: this.#random() * 300 };
    this.#server = new ModelServer(this.#random, faults, (event) => {
      this.#connection.step(this.#server.nowMs, event);
      this.#drain();
    });
    this.#connection = new Connection({
      ...defaultConnectionOptions,
      hosts: 3,
      timeoutMs: 3_000,
      outstandingMax: 8,
      backoffMaxMs: 500,
      random: this.#random,
    });
  }

  run(): void {
    this.#connection.step(0, { type: "start" });
    this.#drain();
    for (let i = 0; i < callsPerRun; i += 1) this.#server.after(this.#random() * unkindMs, () => this.#call());
    this.#until(unkindMs);
    this.#server.faults = { breaks: 0, refuses: 0, connectFails: 0 };
    this.#until(unkindMs + 5_000);
    this.#lastCall();
    this.#until(unkindMs + 40_000);
  }

  /** Nothing that happened may have wedged the session. */
  #lastCall(): void {
    this.#calls += 1;
    this.#final = this.#calls;
    const call = {
      call: this.#calls,
      request: set(`/${this.#calls}`),
      level: { type: "session" },
      guards: [],
      timeoutMs: 5_000,
    } as const;
    this.#connection.step(this.#server.nowMs, { type: "call", call });
    this.#drain();
  }

  #call(): void {
    this.#calls += 1;
    const call = this.#calls;
    const isRead = this.#random() < 0.2;
    if (isRead) this.#reads.add(call);
    const timeoutMs = this.#random() < 0.2 ? 1 + this.#random() * 300 : 20_000;
    const request = isRead ? get(`/${call}`) : set(`/${call}`);
    this.#connection.step(this.#server.nowMs, {
      type: "call",
      call: { call, request, level: { type: "session" }, guards: [], timeoutMs },
    });
    this.#drain();
    if (this.#random() < 0.1) this.#server.after(this.#random() * 100, () => this.#abort(call));
  }

  #abort(call: number): void {
    this.#connection.step(this.#server.nowMs, { type: "abort", call });
    this.#drain();
  }

  #drain(): void {
    const effects = this.#connection.drain();
    this.#wakeAtMs = effects.wakeAtMs;
    for (const notice of effects.notices) {
      if (notice.type === "replied") this.#end(notice.call, notice.outcome.code);
      else if (notice.type === "failed") this.#end(notice.call, notice.outcome);
    }
    const session = this.#connection.session;
    const until = this.#connection.validUntilMs;
    if (session !== undefined && until !== undefined) this.#believedUntil.set(session.id, until);
    for (const command of effects.commands) this.#server.perform(command);
  }

  #end(call: number, result: string): void {
    if (this.results.has(call)) this.problems.push(`call ${call} ended twice`);
    this.results.set(call, result);
  }

  #until(endMs: number): void {
    for (let i = 0; i < 200_000; i += 1) {
      const next = Math.min(this.#server.nextMs ?? Number.POSITIVE_INFINITY, this.#wakeAtMs ?? Number.POSITIVE_INFINITY);
      if (next > endMs) break;
      if (next === this.#server.nextMs) this.#server.runNext();
      else this.#tick(next);
    }
    this.#server.nowMs = endMs;
  }

  #tick(atMs: number): void {
    this.#server.nowMs = Math.max(this.#server.nowMs, atMs);
    this.#connection.step(this.#server.nowMs, { type: "tick" });
    this.#drain();
  }

  check(): readonly string[] {
    const counts = new Map<string, number>();
    for (const { name } of this.#server.applied) counts.set(name, (counts.get(name) ?? 0) + 1);
    for (let call = 1; call <= this.#calls; call += 1) this.#checkCall(call, counts.get(`/${call}`) ?? 0);
    if (this.results.get(this.#final) !== "OK") this.problems.push(`the last write ended in ${this.results.get(this.#final)}`);
    const order = this.#server.applied.map(({ name }) => Number(name.slice(1)));
    if (order.some((call, i) => i > 0 && call < (order[i - 1] ?? 0))) this.problems.push(`applied out of order: ${order}`);
    for (const { session, atMs } of this.#server.expired) {
      if (atMs < (this.#believedUntil.get(session) ?? 0))
        this.problems.push(`session ${session} expired at ${atMs}, believed in until later`);
    }
    return this.problems;
  }

  #checkCall(call: number, applied: number): void {
    const result = this.results.get(call);
    if (result === undefined) this.problems.push(`call ${call} never ended`);
    if (applied > 1) this.problems.push(`call ${call} applied ${applied} times`);
    if (result === "OK" && applied !== 1 && !this.#reads.has(call)) this.problems.push(`call ${call} acknowledged, not applied`);
    if (result === "failed" && applied !== 0) this.problems.push(`call ${call} failed, yet applied`);
  }
}

t.test("exactly once over an unkind network", async (t) => {
  const seen = new Map<string, number>();
  for (let seed = 1; seed <= seeds; seed += 1) {
    const run = new Run(seed);
    run.run();
    const problems = run.check();
    if (problems.length > 0) t.fail(`seed ${seed}: ${problems.slice(0, 5).join("; ")}`);
    for (const result of run.results.values()) seen.set(result, (seen.get(result) ?? 0) + 1);
  }
  for (const result of ["OK", "failed", "unknown"]) t.ok((seen.get(result) ?? 0) > seeds / 4, `${result}: ${seen.get(result)}`);
});
