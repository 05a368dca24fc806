/** The quick path check answers exactly what `pathError` answers. */
import fc from "fast-check";
import t from "tap";
import { pathError } from "../../src/model/path.ts";
import { checkPath } from "../../src/tree/path-check.ts";
import { limits } from "./harness.ts";

t.test("checkPath equals pathError", async (t) => {
  const small = { ...limits, path_bytes_max: 12, path_depth_max: 3 };
  const piece = fc.constantFrom("/", "/", "/", "a", "b", ".", "..", "-", "é", "\u007f", "\u001f", "\0", "\ue000", "long", " ");
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 10 }),
      (pieces) => checkPath(pieces.join(""), small) === pathError(pieces.join(""), small),
    ),
    { numRuns: 20_000 },
  );
  for (const path of ["/", "", "/a/.b", "/a.", "/...", "/abcdefghijk", "/abcdefghijkl", "/a/b/c", "/a/b/c/d"])
    t.equal(checkPath(path, small), pathError(path, small), path);
});
