/**
 * Judges grants by true time: how many are held at any moment by their own clocks, whether tokens rise from holder to holder, and whether a
 * resource that checks tokens (or a guard) ever takes the work of a former holder after that of a later one.
 */
import type { Client } from "../../../client/index.ts";
import type { RecipeStage } from "./stage.ts";

export interface HoldersOptions {
  /** How many may hold at a time. */
  readonly max: number;
  /** Which invariant. */
  readonly name: string;
}

/** A grant, or a term. */
export interface Held {
  readonly path: string;
  readonly held: boolean;
  /** Of what is exclusive. */
  readonly token?: number;
}

export interface Holder {
  readonly client: Client;
  readonly who: string;
  readonly grant: Held;
}

export class Holders {
  readonly #stage: RecipeStage;
  readonly #options: HoldersOptions;
  readonly #holders = new Set<Holder>();
  #lastToken = 0;
  #grants = 0;

  constructor(stage: RecipeStage, options: HoldersOptions) {
    this.#stage = stage;
    this.#options = options;
  }

  get grants(): number {
    return this.#grants;
  }

  /** To be called in the turn in which the grant is handed out. */
  add(client: Client, grant: Holder["grant"]): Holder {
    const who = this.#stage.nameOf(client);
    const holder = { client, who, grant };
    this.#grants += 1;
    this.#holders.add(holder);
    this.#stage.spotlight = client;
    this.#stage.note(`${who} holds ${label(grant)}`);
    this.look();
    if (grant.token !== undefined) this.#checkToken(who, grant.token);
    return holder;
  }

  /** Before it is given back. */
  remove(holder: Holder): void {
    if (!this.#holders.delete(holder)) return;
    this.#stage.note(`${holder.who} ends ${label(holder.grant)}${holder.grant.held ? "" : ", which it had lost"}`);
  }

  /** No more hold than may. One whose machine sleeps does nothing, and finds its clock ahead when it wakes. */
  look(): void {
    const held = [...this.#holders].filter(({ client, grant }) => !this.#stage.ensemble.isSuspended(client) && grant.held);
    this.#stage.check(`${this.#options.name}: at most ${this.#options.max} hold`, held.length <= this.#options.max, () =>
      held.map(({ who, grant }) => `${who} ${label(grant)}`).join(", "),
    );
  }

  #checkToken(who: string, token: number): void {
    const last = this.#lastToken;
    this.#lastToken = token;
    this.#stage.check(`${this.#options.name}: tokens rise`, token > last, `${who} has ${token} after ${last}`);
  }
}

function label(grant: Held): string {
  return grant.token !== undefined ? `token ${grant.token}` : grant.path;
}

/** A resource outside of Zabra that takes no token below one that it has seen. */
export class FencedRegister {
  readonly #stage: RecipeStage;
  readonly #checks: boolean;
  #token = 0;
  refused = 0;

  /** `checks: false`: a resource that trusts its callers, to show why that is wrong. */
  constructor(stage: RecipeStage, checks = true) {
    this.#stage = stage;
    this.#checks = checks;
  }

  write(who: string, token: number): boolean {
    if (this.#checks && token < this.#token) {
      this.refused += 1;
      this.#stage.mark("a stale token was refused");
      return false;
    }
    this.#stage.check("the register never goes back", token >= this.#token, `${who} wrote with ${token} after ${this.#token}`);
    this.#token = token;
    return true;
  }
}
