/** Every scripted scenario, by name. */
import { bugScenarios } from "./bugs.ts";
import { lostTreeSchedules } from "./lost-trees.ts";
import { moreSchedules } from "./more-schedules.ts";
import { portSchedules } from "./port-schedules.ts";
import { recoverySchedules } from "./recovery.ts";
import { schedules as firstSchedules, type Schedule } from "./schedules.ts";

export const schedules: readonly Schedule[] = [
  ...firstSchedules,
  ...portSchedules,
  ...moreSchedules,
  ...bugScenarios,
  ...recoverySchedules,
  ...lostTreeSchedules,
];
