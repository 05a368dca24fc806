/**
 * Which of the rare and legal choices (src/model/buggify.ts) a world makes: half of all worlds make some, each a quarter of the sites, each of these as
 * often as was drawn for it. A stream of its own: no other draw depends on it.
 */
import { armBuggify, type BuggifySite, buggifySites } from "../../src/model/buggify.ts";
import { Random } from "./random.ts";

const worldShare = 0.5;
const siteShare = 0.25;

/** Runs `play` in a world that makes such choices. Returns its result and how often each choice was made. */
export function withBuggify<T>(seed: number, play: () => T): { readonly result: T; readonly sites: ReadonlyMap<string, number> } {
  const sites = new Map<string, number>();
  const random = new Random(seed).fork("buggify");
  const chances = random.chance(worldShare) ? drawSites(random) : undefined;
  if (chances === undefined) return { result: play(), sites };
  armBuggify((site) => {
    const taken = random.chance(chances.get(site) ?? 0);
    if (taken) sites.set(site, (sites.get(site) ?? 0) + 1);
    return taken;
  });
  try {
    return { result: play(), sites };
  } finally {
    armBuggify(undefined);
  }
}

function drawSites(random: Random): ReadonlyMap<BuggifySite, number> {
  const chances = new Map<BuggifySite, number>();
  for (const site of buggifySites) if (random.chance(siteShare)) chances.set(site, random.logBetween(0.002, 0.3));
  return chances;
}
