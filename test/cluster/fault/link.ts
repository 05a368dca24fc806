/** Links that are slow, or break again and again in the middle of what they carry; between servers, and to the clients. */
import { setTimeout as delay } from "node:timers/promises";
import { type Fault, leaderNow } from "./fault.ts";

const slow: Fault = {
  name: "slow-links",
  kind: "link",
  strike: async ({ network, random }) => {
    const ms = 5 + random.below(60);
    const touched = (): number =>
      network.ids.reduce(
        (sum, a) => sum + network.ids.reduce((part, b) => (a === b ? part : part + network.touched(a, b)), 0),
        0,
      );
    const before = touched();
    network.slow(ms);
    return {
      what: `${ms} ms each way`,
      end: async () => {
        network.slow(0);
        return touched() > before ? undefined : "nothing was slowed";
      },
    };
  },
};

/** Does `cut` every now and then until it is told to end; resolves to how many connections were reset. */
function again(pause: () => number, cut: () => number): () => Promise<number> {
  let going = true;
  let reset = 0;
  const loop = (async () => {
    while (going) {
      reset += cut();
      await delay(pause());
    }
  })();
  return async () => {
    going = false;
    await loop;
    return reset;
  };
}

const flapping: Fault = {
  name: "flapping-links",
  kind: "link",
  strike: async (stage) => {
    const { network, random } = stage;
    const victim = (await leaderNow(stage)) ?? random.pick(network.ids);
    const end = again(
      () => 80 + random.below(300),
      () => network.cut(victim),
    );
    return { what: `server ${victim}`, end: async () => ((await end()) > 0 ? undefined : "no connection was reset") };
  },
};

const flappingClients: Fault = {
  name: "flapping-clients",
  kind: "link",
  strike: async ({ doors, random }) => {
    const end = again(
      () => 200 + random.below(600),
      () => {
        const door = random.pick(doors);
        const before = door.reset;
        door.cut();
        return door.reset - before;
      },
    );
    return { what: "all clients", end: async () => ((await end()) > 0 ? undefined : "no connection was reset") };
  },
};

export const links: readonly Fault[] = [slow, flapping, flappingClients];
