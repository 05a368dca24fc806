import type { Schedule } from "./schedules.ts";
export const moreSchedules: readonly Schedule[] = [];
