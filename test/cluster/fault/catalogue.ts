/** All faults by name, and which of them a stage has. */
import { clocks } from "./clock.ts";
import { disks } from "./disk.ts";
import { failpointFaults } from "./failpoint.ts";
import type { Fault } from "./fault.ts";
import { kills } from "./kill.ts";
import { links } from "./link.ts";
import { partitions } from "./partition.ts";
import { pauses } from "./pause.ts";

export const catalogue: readonly Fault[] = [
  ...kills,
  ...pauses,
  ...partitions,
  ...links,
  ...disks,
  ...clocks,
  ...failpointFaults,
];

/** Those of the names or kinds, separated by commas; all of them when there is none. Throws on a word that is neither. */
export function faultsBy(words: string): readonly Fault[] {
  const chosen = words.split(",").filter((word) => word !== "");
  for (const word of chosen)
    if (!catalogue.some(({ name, kind }) => name === word || kind === word))
      throw new Error(`no fault or kind of faults is named ${word}`);
  return catalogue.filter(
    ({ name, kind, byNameOnly }) =>
      chosen.includes(name) || (byNameOnly !== true && (chosen.length === 0 || chosen.includes(kind))),
  );
}
