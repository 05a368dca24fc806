/** Which of the instances of a service gets the next piece of work. Used by `discovery.ts`. */
import type { Instance } from "./registry.ts";

/** `roundRobin`: in turns, by weight. `leastUsed`: the one with the least work in hand beside its weight. `sticky`: the same for the same key, while it is there. */
export type Strategy = "roundRobin" | "leastUsed" | "sticky";

/** What is remembered of an instance between choices. */
export interface Usage {
  /** Smooth weighted round robin: grows by the weight each turn, falls by the sum of all when chosen. */
  credit: number;
  /** Work in hand. */
  inUse: number;
}

/** A weight of 0 means only if there is nothing else. */
function weighing(instances: readonly Instance[]): (instance: Instance) => number {
  const some = instances.some((one) => one.weight > 0);
  return (instance) => (some ? instance.weight : 1);
}

/** Over n choices each gets its share of n, spread evenly. */
export function roundRobin(instances: readonly Instance[], usage: (instance: Instance) => Usage): Instance | undefined {
  const weight = weighing(instances);
  let chosen: Instance | undefined;
  let total = 0;
  for (const instance of instances) {
    const own = usage(instance);
    own.credit += weight(instance);
    total += weight(instance);
    if (weight(instance) > 0 && (chosen === undefined || own.credit > usage(chosen).credit)) chosen = instance;
  }
  if (chosen !== undefined) usage(chosen).credit -= total;
  return chosen;
}

/** Between equals, in turns. */
export function leastUsed(instances: readonly Instance[], usage: (instance: Instance) => Usage): Instance | undefined {
  const weight = weighing(instances);
  let least = Number.POSITIVE_INFINITY;
  let chosen: Instance[] = [];
  for (const instance of instances) {
    if (weight(instance) === 0) continue;
    const load = (usage(instance).inUse + 1) / weight(instance);
    if (load < least) chosen = [];
    if (load <= least) chosen.push(instance);
    least = Math.min(least, load);
  }
  return roundRobin(chosen, usage);
}

/**
 * Weighted rendezvous hashing: each instance draws a number from the key and its own id, the lowest beside its weight wins. When
 * one comes or goes, only the keys that it wins or had move.
 */
export function sticky(instances: readonly Instance[], key: string): Instance | undefined {
  const weight = weighing(instances);
  let best = Number.POSITIVE_INFINITY;
  let chosen: Instance | undefined;
  for (const instance of instances) {
    if (weight(instance) === 0) continue;
    const draw = -Math.log(unitHash(`${instance.id}/${key}`)) / weight(instance);
    if (draw < best || (draw === best && instance.id < (chosen?.id ?? ""))) {
      best = draw;
      chosen = instance;
    }
  }
  return chosen;
}

/** In (0, 1): FNV-1a, then mixed so that near texts come out far apart. Stable over processes and versions. */
export function unitHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (((hash ^ (hash >>> 16)) >>> 0) + 0.5) / 2 ** 32;
}
