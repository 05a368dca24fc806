/** Faults of clocks: wall jumps of an hour, rates that change within what the ensemble was promised. */
import type { Fault } from "./tools.ts";

export const clockFaults = {
  "wall jump": (tools) => {
    tools.random.pick(tools.cluster.servers).clock.jumpWall(tools.random.between(-3_600_000, 3_600_000));
    return true;
  },
  "wall strobe": (tools) => {
    const { scheduler, servers } = tools.cluster;
    const { clock } = tools.random.pick(servers);
    for (let i = 1; i <= 8; i += 1) scheduler.after(i * 15, () => clock.jumpWall(i % 2 === 0 ? 90_000 : -90_000));
    return true;
  },
  "clock rate": (tools) => {
    const { drift, servers, scheduler, leader } = tools.cluster;
    if (drift === 0) return false;
    // The worst that is allowed, as often as not: the leader's clock is slow, so that its lease ends late for the others.
    const worst = tools.random.chance(0.6);
    for (const server of servers) {
      const slow = worst ? server === leader : tools.random.chance(0.5);
      server.clock.setRate(scheduler.now, 1 + (slow ? -drift : drift));
    }
    return true;
  },
} satisfies Record<string, Fault>;
