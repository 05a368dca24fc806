/** Links that are slow, narrow or lossy, or break again and again in the middle of what they carry; between servers, and to the clients. */
import { setTimeout as delay } from "node:timers/promises";
import { type Fault, leaderNow, within } from "./fault.ts";

const slow: Fault = {
  name: "slow-links",
  kind: "link",
  missing: ({ network }) => (network.slow === undefined ? "this network has no delays" : undefined),
  strike: async ({ network, random }) => {
    const ms = 5 + random.below(60);
    const touched = (): number =>
      network.ids.reduce(
        (sum, a) => sum + network.ids.reduce((part, b) => (a === b ? part : part + network.touched(a, b)), 0),
        0,
      );
    const before = touched();
    network.slow?.(ms);
    return {
      what: `${ms} ms each way`,
      end: async () => {
        network.slow?.(0);
        return touched() > before ? undefined : "nothing was slowed";
      },
    };
  },
};

/** Does `cut` every now and then until it is told to end; resolves to undefined when a connection was reset, perhaps only then. */
function again(pause: () => number, cut: () => number): () => Promise<string | undefined> {
  let going = true;
  let reset = 0;
  const loop = (async () => {
    while (going) {
      reset += cut();
      await delay(pause());
    }
  })();
  return async () => {
    const problem = await within("no connection was reset", () => reset > 0);
    going = false;
    await loop;
    return problem;
  };
}

const flapping: Fault = {
  name: "flapping-links",
  kind: "link",
  missing: ({ network }) => (network.cut === undefined ? "this network resets no connections" : undefined),
  strike: async (stage) => {
    const { network, random } = stage;
    const victim = (await leaderNow(stage)) ?? random.pick(network.ids);
    const end = again(
      () => 80 + random.below(300),
      () => network.cut?.(victim) ?? 0,
    );
    return { what: `server ${victim}`, end };
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
    return { what: "all clients", end };
  },
};

const lossy: Fault = {
  name: "lossy-links",
  kind: "link",
  missing: ({ network }) => (network.lose === undefined ? "this network loses no packets" : undefined),
  strike: async ({ network, random }) => {
    const percent = 1 + random.below(40);
    const before = network.lost?.() ?? 0;
    network.lose?.(percent);
    return {
      what: `${percent} %`,
      end: async () => {
        const problem = await within("no packet was lost", () => (network.lost?.() ?? 0) > before);
        network.lose?.(0);
        return problem;
      },
    };
  },
};

const narrow: Fault = {
  name: "narrow-link",
  kind: "link",
  missing: ({ network }) => (network.narrow === undefined ? "this network has no rates" : undefined),
  strike: async (stage) => {
    const { network, random } = stage;
    const victim = (await leaderNow(stage)) ?? random.pick(network.ids);
    const kbit = 64 + random.below(448);
    network.narrow?.(victim, kbit);
    return {
      what: `server ${victim}, ${kbit} kbit/s`,
      end: async () => {
        const speaks = !stage.taken.has(victim) && stage.servers.pid(victim) !== 0;
        const problem = speaks ? await within("nothing had to wait", () => (network.waited?.(victim) ?? 0) > 0) : undefined;
        network.narrow?.(victim, undefined);
        return problem;
      },
    };
  },
};

export const links: readonly Fault[] = [slow, flapping, flappingClients, lossy, narrow];
