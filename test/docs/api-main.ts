/** `npm run docs:api`: writes the API reference to `dist/api`, a page for each entry point of the package. */
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { apiOf, entryPointsOf, pageOf } from "./api-reference.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const points = entryPointsOf(root);
mkdirSync(`${root}dist/api`, { recursive: true });
for (const [i, entries] of apiOf(points.map(({ declarations }) => declarations)).entries()) {
  const { module = "" } = points[i] ?? {};
  const page = `dist/api/${module.replaceAll("/", "-")}.md`;
  writeFileSync(root + page, pageOf(module, entries));
  console.log(`${page}: ${entries.length} exports`);
}
