/** A few registers, one after the other so that each history is short enough to be judged by search. */
import { RegisterLoad } from "../register-load.ts";
import { LoadClients } from "./clients.ts";
import type { BeginLoad, Load, LoadWorld } from "./load.ts";

const clientsOfOne = 5;
const callsOfOne = 400;
const lookMs = 200;

class Registers implements Load {
  readonly #world: LoadWorld;
  readonly #clients: LoadClients;
  readonly #problems: string[] = [];
  readonly #timer: NodeJS.Timeout;
  #register: RegisterLoad;
  #number = 1;
  #judged = 0;
  #changing: Promise<void> | undefined;

  constructor(world: LoadWorld, clients: LoadClients, register: RegisterLoad) {
    this.#world = world;
    this.#clients = clients;
    this.#register = register;
    this.#timer = setInterval(() => this.#look(), lookMs);
  }

  get calls(): number {
    return this.#judged + this.#register.calls;
  }

  getsOn(): Promise<void> {
    return this.#clients.allConnected();
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    await this.#changing;
    await this.#judge();
    await this.#clients.close();
  }

  async problems(): Promise<readonly string[]> {
    return [...this.#clients.problems, ...this.#problems];
  }

  #look(): void {
    if (this.#changing !== undefined || this.#register.calls < callsOfOne) return;
    this.#changing = this.#change().finally(() => {
      this.#changing = undefined;
    });
  }

  async #change(): Promise<void> {
    await this.#judge();
    this.#number += 1;
    this.#register = await register(this.#world, this.#clients, this.#number);
  }

  async #judge(): Promise<void> {
    const judged = this.#register;
    await judged.end();
    const problem = judged.problem();
    if (problem !== undefined) this.#problems.push(problem);
    this.#judged += judged.calls;
    this.#register = ended;
  }
}

const ended = new RegisterLoad("/", [], 0);

function register(world: LoadWorld, clients: LoadClients, number: number): Promise<RegisterLoad> {
  return RegisterLoad.begin(`${world.directory}/r${number}`, clients.all, 60 * world.slowness);
}

export const registers: BeginLoad = async (world) => {
  const clients = await LoadClients.connect("registers", world, clientsOfOne);
  return new Registers(world, clients, await register(world, clients, 1));
};
