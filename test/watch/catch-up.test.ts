import t from "tap";
import type { SetWatchesRequest } from "../../src/model/request.ts";
import { catchUp } from "../../src/watch/catch-up.ts";
import { zx } from "./support.ts";

const nodes = new Map([
  ["/old", { mzxid: zx(5), pzxid: zx(5), acl: 1 }],
  ["/data", { mzxid: zx(11), pzxid: zx(5), acl: 1 }],
  ["/children", { mzxid: zx(5), pzxid: zx(11), acl: 1 }],
  ["/hidden", { mzxid: zx(11), pzxid: zx(11), acl: 2 }],
]);
const tree = { zxid: zx(20), get: (path: string) => nodes.get(path), permits: (acl: number) => acl === 1 };

function request(lists: Partial<SetWatchesRequest>): SetWatchesRequest {
  return {
    type: "setWatches",
    relativeZxid: zx(10),
    data: [],
    exist: [],
    child: [],
    persistent: [],
    persistentRecursive: [],
    ...lists,
  };
}

t.test("what changed since fires, the rest is registered", async (t) => {
  const paths = ["/old", "/data", "/children", "/gone"];
  const { events, arm } = catchUp(request({ data: paths, exist: paths, child: paths }), tree);
  t.strictSame(
    events.map((event) => `${event.type} ${event.path} ${event.zxid}`),
    [
      "nodeDataChanged /data 20",
      "nodeDeleted /gone 20",
      "nodeCreated /old 20",
      "nodeCreated /data 20",
      "nodeCreated /children 20",
      "nodeChildrenChanged /children 20",
      "nodeDeleted /gone 20",
    ],
  );
  t.strictSame(arm, { data: ["/old", "/children", "/gone"], child: ["/old", "/data"], persistent: [], persistentRecursive: [] });
});

t.test("a change at relativeZxid itself has been seen", async (t) => {
  const { events, arm } = catchUp(request({ relativeZxid: zx(11), data: ["/data"], child: ["/children"] }), tree);
  t.strictSame(events, []);
  t.strictSame([arm.data, arm.child], [["/data"], ["/children"]]);
});

t.test("a node that may not be read is not told of, nor watched again", async (t) => {
  const { events, arm } = catchUp(request({ data: ["/hidden"], exist: ["/hidden"], child: ["/hidden"] }), tree);
  t.strictSame(events, []);
  t.strictSame([arm.data, arm.child], [[], []]);
});

t.test("persistent watches are registered without catch-up", async (t) => {
  const { events, arm } = catchUp(request({ persistent: ["/data"], persistentRecursive: ["/gone"] }), tree);
  t.strictSame(events, []);
  t.strictSame([arm.persistent, arm.persistentRecursive], [["/data"], ["/gone"]]);
});
