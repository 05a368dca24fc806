import type { Schedule } from "./schedules.ts";
export const bugScenarios: readonly Schedule[] = [];
