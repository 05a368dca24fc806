/** What recipes refuse at once: bad arguments, named, and clients that are closed. Called first thing by every recipe. */
import { productionLimits } from "../../src/model/limits.ts";
import { pathError } from "../../src/model/path.ts";
import type { Client } from "../client.ts";
import { ZabraError } from "../error.ts";

/** Throws CLOSED, or BAD_ARGUMENTS for a bad path. */
export function requireOpen(client: Client, path: string): void {
  const problem = pathError(path, productionLimits);
  if (problem !== undefined) throw new ZabraError("BAD_ARGUMENTS", { path, detail: problem });
  if (client.state.type === "closed") throw new ZabraError("CLOSED", { path, detail: "the client is closed" });
}

/** Throws BAD_ARGUMENTS unless `value` is a whole number from `min` to `max`. */
export function requireInteger(field: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw new ZabraError("BAD_ARGUMENTS", { detail: `${field} must be a whole number from ${min} to ${max}, not ${value}` });
}

/** Throws BAD_ARGUMENTS unless `value` is a finite number from `min` to `max`. */
export function requireNumber(field: string, value: number, min: number, max: number): void {
  if (value >= min && value <= max) return;
  throw new ZabraError("BAD_ARGUMENTS", { detail: `${field} must be a number from ${min} to ${max}, not ${value}` });
}

/** Throws BAD_ARGUMENTS unless `value` can be the name of a node that people choose: no `/`, no leading dot. */
export function requireName(field: string, value: string): void {
  if (value === "") throw new ZabraError("BAD_ARGUMENTS", { detail: `${field} must not be empty` });
  const problem = value.startsWith(".") ? "must not start with a dot" : pathError(`/${value}`, productionLimits);
  if (problem === undefined && !value.includes("/")) return;
  throw new ZabraError("BAD_ARGUMENTS", { detail: `${field} "${value}": ${problem ?? "must not hold a /"}` });
}
