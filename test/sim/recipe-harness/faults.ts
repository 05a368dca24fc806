/**
 * The six faults that bled users of other libraries' recipes, each at least once in a run, in an order
 * and with overlaps from the seed: suspension, expiry, resume at another server, leader change, a client
 * paused past its timeout, and a reply lost after commit. Each says by a mark when it has bitten.
 */
import type { Client } from "../../../client/index.ts";
import type { Random } from "../random.ts";
import type { RecipeStage } from "./stage.ts";

export const faultNames = ["suspension", "expiry", "resume elsewhere", "leader change", "pause", "lost reply"] as const;
export type FaultName = (typeof faultNames)[number];

const extraMax = 3;
const gapMs = 50;

export class RecipeFaults {
  readonly #stage: RecipeStage;
  readonly #random: Random;
  readonly #timeoutMs: number;
  readonly #under = new Set<Promise<void>>();
  readonly #crashed = new Set<number>();

  constructor(stage: RecipeStage, random: Random, sessionTimeoutMs: number) {
    this.#stage = stage;
    this.#random = random;
    this.#timeoutMs = sessionTimeoutMs;
  }

  /** Resolves when all have been played and healed. */
  async play(): Promise<void> {
    const { ensemble } = this.#stage;
    const extra = Array.from({ length: this.#random.below(extraMax) }, () => this.#random.pick(faultNames));
    for (const fault of this.#random.shuffle([...faultNames, ...extra])) {
      await ensemble.sleep(this.#random.exponential(gapMs));
      const playing = this.#one(fault);
      this.#under.add(playing);
      void playing.finally(() => this.#under.delete(playing));
      if (this.#random.chance(0.3)) await playing;
    }
    await Promise.all(this.#under);
    ensemble.heal();
    for (const server of this.#crashed) ensemble.restart(server);
  }

  #one(fault: FaultName): Promise<void> {
    const drawn = this.#random.pick(this.#stage.clients);
    const client = this.#random.chance(0.4) ? (this.#stage.spotlight ?? drawn) : drawn;
    this.#stage.note(`FAULT ${fault}${fault === "leader change" ? "" : ` of ${this.#stage.nameOf(client)}`}`);
    switch (fault) {
      case "suspension":
        return this.#cutOff(client, this.#random.between(0.1, 0.8));
      case "expiry":
        return this.#cutOff(client, this.#random.between(1.2, 1.8));
      case "resume elsewhere":
        return this.#moveElsewhere(client);
      case "leader change":
        return this.#changeLeader();
      case "pause":
        return this.#pause(client);
      case "lost reply":
        return this.#loseReply(client);
    }
  }

  /** Of the session's timeout. Half of the time the connection breaks, else it only seems open. */
  async #cutOff(client: Client, part: number): Promise<void> {
    const { ensemble } = this.#stage;
    const heal = ensemble.partition([client]);
    if (this.#random.chance(0.5)) ensemble.disconnect(client);
    await ensemble.sleep(this.#timeoutMs * part);
    heal();
  }

  async #moveElsewhere(client: Client): Promise<void> {
    const { ensemble } = this.#stage;
    const server = ensemble.serverOf(client);
    if (server === undefined) return;
    const session = client.session?.id;
    const heal = ensemble.partition([client], [server]);
    ensemble.disconnect(client);
    await ensemble.sleep(this.#timeoutMs * this.#random.between(0.3, 1));
    const now = ensemble.serverOf(client);
    if (now !== undefined && now !== server && client.session?.id === session) this.#stage.mark("resumed elsewhere");
    heal();
  }

  async #changeLeader(): Promise<void> {
    const { ensemble } = this.#stage;
    const leader = await ensemble.leader();
    const how = this.#random.pick(["crash", "power cut", "partition", "pause"] as const);
    const ms = this.#random.between(250, 800);
    if (how === "partition") {
      const heal = ensemble.partition([leader]);
      await ensemble.sleep(ms);
      heal();
    } else if (how === "pause") {
      ensemble.pause(leader, ms + 800);
      await ensemble.sleep(ms + 800);
    } else {
      this.#crashed.add(leader);
      ensemble.crash(leader, { powerCut: how === "power cut" });
      await ensemble.sleep(ms);
      this.#crashed.delete(leader);
      ensemble.restart(leader);
    }
    if ((await ensemble.leader()) !== leader) this.#stage.mark("leader changed");
  }

  async #pause(client: Client): Promise<void> {
    const { ensemble } = this.#stage;
    const ms = this.#timeoutMs * this.#random.between(1.1, 1.8);
    ensemble.pause(client, ms, { suspend: this.#random.chance(0.2) });
    await ensemble.sleep(ms);
    this.#stage.mark("paused past its timeout");
  }

  /** Not waited for: it comes with the client's next write, if there is one. */
  #loseReply(client: Client): Promise<void> {
    const request = this.#random.chance(0.4) ? this.#random.pick(["create", "delete", "multi"]) : undefined;
    void this.#stage.ensemble.loseReply(client, request).then(() => this.#stage.mark("reply lost"));
    return Promise.resolve();
  }
}
