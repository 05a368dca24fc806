/** All cases, in the order in which they run. */
import type { Case } from "./cases/case.ts";
import { sessionCases } from "./cases/sessions.ts";
import { tableCases } from "./cases/table.ts";
import { watchCases } from "./cases/watches.ts";
import { writeCases } from "./cases/writes.ts";

export const allCases: readonly Case[] = [...tableCases, ...sessionCases, ...watchCases, ...writeCases];
