/** `npm run testing:figures`: writes the table of docs/testing.md anew from test/runs. */
import { readFileSync, writeFileSync } from "node:fs";
import { keptRecords, pageFile, withFigures } from "./figures.ts";

writeFileSync(pageFile, withFigures(readFileSync(pageFile, "utf8"), keptRecords()));
