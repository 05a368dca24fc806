/** The API reference can be made of every entry point, and leaves nothing to guess. */
import { fileURLToPath } from "node:url";
import t from "tap";
import { apiOf, entryPointsOf, pageOf, undocumented } from "./api-reference.ts";

t.setTimeout(900_000);

const points = entryPointsOf(fileURLToPath(new URL("../../../", import.meta.url)));
const references = apiOf(points.map(({ declarations }) => declarations));

t.test("every function, class and method has a docstring", async (t) => {
  for (const [i, entries] of references.entries()) {
    t.ok(entries.length > 3, `${points[i]?.module} has ${entries.length} exports`);
    t.same(undocumented(entries), [], points[i]?.module ?? "");
  }
});

t.test("a page has each export with its members, and what they say", async (t) => {
  const page = pageOf("zabra/recipes", references[points.findIndex(({ module }) => module === "zabra/recipes")] ?? []);
  t.match(page, /^## class `Lock`$/m);
  t.match(page, /^- `constructor\(client: Client, path: string, options\?: LockOptions\)`: `path` is the queue's node;.*Throws/m);
  t.match(page, /^- `acquire\(options\?: WaitOptions\): Promise<Grant>`: Resolves when it is our turn\. Rejects with TIMEOUT/m);
  t.match(page, /^## function `watchConfig`$/m);
  t.notMatch(page, /#private|`begin\(/, "nothing that is not for users");
});

t.test("what is missing would be noticed", async (t) => {
  const member = { name: "run", signature: "run(): void", text: "", isMethod: true };
  const bare = { name: "Bare", kind: "class", signature: "class Bare", text: "", members: [member] };
  t.same(undocumented([bare]), ["Bare", "Bare.run"]);
});
