/** The package's version, for `/status` and the four-letter words; works from sources and from dist/. */
import { readFileSync } from "node:fs";

export const version = readVersion();

function readVersion(): string {
  for (const up of ["../package.json", "../../package.json"]) {
    try {
      const value: unknown = JSON.parse(readFileSync(new URL(up, import.meta.url), "utf8"));
      if (typeof value === "object" && value !== null && "version" in value && typeof value.version === "string")
        return value.version;
    } catch {
      // Not there: one level up.
    }
  }
  return "0.0.0";
}
