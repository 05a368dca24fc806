/**
 * Leadership by a lease of its own, apart from any session: a node with a TTL, which the servers count by their own clocks. It goes on over a lost
 * session, and ends by itself a chosen time after the last renewal, so it may be shorter or longer than a session. Who wants the order of
 * asking, or observers that miss nobody, takes an `Election`.
 *
 *   wanting ──created──▶ leading ──not renewed in time, node gone──▶ ended
 *      └──NODE_EXISTS──▶ waiting ──gone──▶ wanting      └── resign ──▶ ended
 *
 * Why it is safe. The servers count from when they decide a renewal, which is later than its sending; the holder counts from the sending, less what two
 * clocks may differ. A renewal is guarded by the node's czxid, so a late one never renews another's lease. czxids are the fencing tokens.
 */
import { productionLimits, sessionValidForMs } from "../../src/model/limits.ts";
import { mutant } from "../../src/model/mutant.ts";
import { parentOf, rootPath } from "../../src/model/path.ts";
import type { Guard } from "../../src/model/request.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { type DataInput, type NodeValue, toBytes } from "../data.ts";
import { unless, ZabraError } from "../error.ts";
import type { CallOptions } from "../operations.ts";
import { requireInteger, requireOpen } from "./check.ts";
import { tokenOf } from "./token.ts";
import { isSessionLoss, orAborted, type WaitOptions, withLimit } from "./wait.ts";
import { untilSessionEnds } from "./when-gone.ts";

export interface LeaderLeaseOptions {
  /** Who this candidate is. */
  readonly data?: DataInput;
}

const durationMsMin = 200;
const durationMsMax = 24 * 60 * 60 * 1_000;
/** Renewed after this part of the duration, and again as often until it succeeds or ends. */
const renewPart = 1 / 3;
const attemptsMax = 16;

/** Leadership for as long as a node with a TTL is renewed, apart from any session. */
export class LeaderLease {
  readonly path: string;
  readonly durationMs: number;
  readonly #client: Client;
  readonly #data: DataInput;

  /** `path` is the lease's own node and must have no children. `durationMs`: 200 ms to a day; takeover comes up to a second later. Throws BAD_ARGUMENTS and CLOSED. */
  constructor(client: Client, path: string, durationMs: number, options: LeaderLeaseOptions = {}) {
    requireOpen(client, path);
    requireInteger("durationMs", durationMs, durationMsMin, durationMsMax);
    if (path === rootPath) throw new ZabraError("BAD_ARGUMENTS", { path, detail: "a lease needs a node of its own" });
    this.path = path;
    this.durationMs = durationMs;
    this.#client = client;
    this.#data = options.data;
  }

  /** Resolves when we lead; renewed by itself from then on. Rejects with TIMEOUT, ABORTED, CLOSED, NO_AUTH. */
  campaign(options: WaitOptions = {}): Promise<LeaseTerm> {
    return withLimit(this.#client, this.path, options, async (signal) => {
      for (;;) {
        const term = await this.#take(signal);
        if (term !== undefined) return term;
        await this.#vacant(signal);
      }
    });
  }

  /** Resolves to a term when nobody leads, else to undefined. Rejects as `campaign`. */
  tryCampaign(options: WaitOptions = {}): Promise<LeaseTerm | undefined> {
    return withLimit(this.#client, this.path, options, (signal) => this.#take(signal));
  }

  /** Resolves to the leader's node; undefined: nobody leads. */
  leader(options: CallOptions = {}): Promise<NodeValue | undefined> {
    return unless("NO_NODE", this.#client.get(this.path, options));
  }

  async #take(signal: AbortSignal): Promise<LeaseTerm | undefined> {
    const create = async (): Promise<LeaseTerm | undefined> => {
      const sentMs = this.#client.nowMs();
      const lasting = mutant("a lease has no end")
        ? ({ kind: "persistent" } as const)
        : ({ kind: "ttl", ttlMs: this.durationMs } as const);
      const options = { ...lasting, timeoutMs: this.durationMs };
      const created = await unless("NODE_EXISTS", this.#client.create(this.path, this.#data, options));
      if (created === undefined) return undefined;
      const term = new LeaseTerm(
        this.#client,
        { path: this.path, czxid: created.stat.czxid },
        this.durationMs,
        sentMs,
        this.#data,
      );
      if (term.held) return term;
      await term.resign();
      return undefined;
    };
    return orAborted(this.#orPassing(this.#withParent(create), signal), signal);
  }

  /** A container may be reaped between our look and our create. */
  async #withParent(create: () => Promise<LeaseTerm | undefined>): Promise<LeaseTerm | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await create();
      } catch (error) {
        if (ZabraError.from(error).code !== "NO_NODE" || attempt === attemptsMax) throw error;
        await this.#client.ensurePath(parentOf(this.path) ?? rootPath, { kind: "container" });
      }
    }
  }

  /** A caller that stops waiting gives back what comes after all. A create of unknown outcome leaves at worst a lease that nobody has until it ends. */
  async #orPassing(taking: Promise<LeaseTerm | undefined>, signal: AbortSignal): Promise<LeaseTerm | undefined> {
    try {
      const term = await taking;
      if (!signal.aborted || term === undefined) return term;
      await term.resign();
      return undefined;
    } catch (error) {
      const { code } = ZabraError.from(error);
      if (isSessionLoss(this.#client, error) || code === "TIMEOUT") return undefined;
      throw error;
    }
  }

  async #vacant(signal: AbortSignal): Promise<void> {
    try {
      await this.#client.whenDeleted(this.path, { ...untilSessionEnds, level: "session", signal });
    } catch (error) {
      if (signal.aborted || !isSessionLoss(this.#client, error)) throw error;
    }
  }
}

/** The time of one leader, as it sees it. */
export class LeaseTerm {
  /** For `guard` of writes by the same client: they take effect only while the lease's node is there. */
  readonly guard: Guard;
  readonly #client: Client;
  readonly #durationMs: number;
  readonly #data: Uint8Array | undefined;
  readonly #controller = new AbortController();
  #validUntilMs = 0;
  #released = false;
  #cancelRenewal: () => void = () => {};
  #cancelDeadline: () => void = () => {};

  /** Use `LeaderLease`. */
  constructor(client: Client, guard: Guard, durationMs: number, sentMs: number, data: DataInput) {
    this.#client = client;
    this.guard = guard;
    this.#durationMs = durationMs;
    this.#data = toBytes(data);
    this.#extend(sentMs);
    this.#plan();
  }

  get path(): string {
    return this.guard.path;
  }

  /** The fencing token: greater than that of every leader before. */
  get token(): Zxid {
    return tokenOf(this.guard.czxid);
  }

  /** Fires when the term has ended: TIMEOUT at its deadline, FENCED when its node is gone, ABORTED after `resign`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Until when it may be relied on, on the clock of `client.nowMs()`; 0 once it has ended. */
  get validUntilMs(): number {
    return this.signal.aborted ? 0 : this.#validUntilMs;
  }

  get held(): boolean {
    return this.#client.nowMs() < this.validUntilMs || (mutant("a lease outlives its deadline") && this.validUntilMs > 0);
  }

  get released(): boolean {
    return this.#released;
  }

  /** Throws what ended the term; returns when it still holds. */
  check(): void {
    if (this.held) return;
    this.#end(new ZabraError("TIMEOUT", { path: this.path, detail: "the lease was not renewed in time" }));
    throw this.signal.reason;
  }

  /** Renews at once, beside what is done anyway. Resolves when renewed. Rejects with what ended the term, or why this renewal failed. */
  async renew(): Promise<void> {
    this.check();
    const sentMs = this.#client.nowMs();
    try {
      await this.#client.set(this.path, this.#data, { guard: this.guard, timeoutMs: Math.max(1, this.#validUntilMs - sentMs) });
    } catch (thrown) {
      const error = ZabraError.from(thrown, this.path);
      if (error.code === "FENCED" || error.code === "NO_NODE") this.#end(new ZabraError("FENCED", { path: this.path }));
      throw error;
    }
    this.#extend(sentMs);
    this.#armDeadline();
  }

  /** Steps down. Resolves when another can lead. Rejects with BAD_ARGUMENTS when that was done already. */
  async resign(): Promise<void> {
    if (this.#released) throw new ZabraError("BAD_ARGUMENTS", { path: this.path, detail: "the term was resigned already" });
    this.#released = true;
    this.#end(new ZabraError("ABORTED", { path: this.path, detail: "resigned" }));
    await this.#client.delete(this.path, { guard: this.guard, timeoutMs: this.#durationMs }).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#released) await this.resign();
  }

  #extend(sentMs: number): void {
    this.#validUntilMs = Math.max(this.#validUntilMs, sentMs + sessionValidForMs(this.#durationMs, productionLimits));
  }

  #plan(): void {
    this.#armDeadline();
    this.#cancelRenewal = this.#client.after(this.#durationMs * renewPart, () => void this.#renewAndPlan());
  }

  async #renewAndPlan(): Promise<void> {
    const renewing = this.renew();
    // The next does not wait for this one's answer: it may never come.
    if (!this.signal.aborted) this.#plan();
    await renewing.catch(() => {});
  }

  #armDeadline(): void {
    this.#cancelDeadline();
    if (this.signal.aborted) return;
    const leftMs = this.#validUntilMs - this.#client.nowMs();
    this.#cancelDeadline = this.#client.after(Math.max(0, leftMs), () => this.#onDeadline());
  }

  #onDeadline(): void {
    if (this.held) this.#armDeadline();
    else this.#end(new ZabraError("TIMEOUT", { path: this.path, detail: "the lease was not renewed in time" }));
  }

  #end(reason: ZabraError): void {
    if (this.signal.aborted) return;
    this.#cancelRenewal();
    this.#cancelDeadline();
    this.#controller.abort(reason);
  }
}
