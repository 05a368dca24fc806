/** The schedules that break weaker rules. */
import { moreSchedules } from "./more-schedules.ts";
import { portSchedules } from "./port-schedules.ts";
import { recoverySchedules } from "./recovery.ts";
import { schedules } from "./schedules.ts";
import { playAll } from "./suite.ts";

playAll([...schedules, ...portSchedules, ...moreSchedules, ...recoverySchedules]);
