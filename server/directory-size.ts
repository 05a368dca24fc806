/** How many bytes the files of a data directory's logs or stores take; for operators who ask. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Of all directories below `directory` whose name starts with `prefix`, such as `log-`. */
export function directoryBytes(directory: string, prefix: string): number {
  let bytes = 0;
  for (const name of namesIn(directory)) {
    if (!name.startsWith(prefix)) continue;
    for (const file of namesIn(join(directory, name))) bytes += fileBytes(join(directory, name, file));
  }
  return bytes;
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // Switched to a newer one meanwhile.
  }
}

function fileBytes(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
