import t from "tap";
import type { SetWatchesRequest } from "../../src/model/request.ts";
import type { WatchEvent } from "../../src/model/watch.ts";
import { replay } from "../../src/watch/replay.ts";
import { change, zx } from "./support.ts";

const nodes = new Map([
  ["/p", { mzxid: zx(5), pzxid: zx(14), acl: 1 }],
  ["/r", { mzxid: zx(5), pzxid: zx(5), acl: 1 }],
  ["/hidden", { mzxid: zx(15), pzxid: zx(15), acl: 2 }],
]);
const tree = { zxid: zx(20), get: (path: string) => nodes.get(path), permits: (acl: number) => acl === 1 };

function request(persistent: readonly string[], persistentRecursive: readonly string[]): SetWatchesRequest {
  return { type: "setWatches", relativeZxid: zx(10), data: [], exist: [], child: [], persistent, persistentRecursive };
}

function told(events: readonly WatchEvent[]): string[] {
  return events.map((event) => `${event.type} ${event.path} ${event.zxid}`);
}

const txns = [
  { zxid: zx(11), changes: [change("created", "/p/a", 11), change("dataChanged", "/p", 11)] },
  { zxid: zx(12), changes: [] },
  {
    zxid: zx(13),
    changes: [change("aclChanged", "/p", 13), change("dataChanged", "/p/a", 13), change("dataChanged", "/r/x/y", 13)],
  },
  { zxid: zx(14), changes: [change("deleted", "/p/a", 14), change("created", "/r/z", 14), change("created", "/other", 14)] },
];

t.test("a persistent watch is told of its node and its children, a recursive one of all below, in order", async (t) => {
  t.strictSame(told(replay(request(["/p"], ["/r"]), txns, tree)), [
    "nodeChildrenChanged /p 11",
    "nodeDataChanged /p 11",
    "nodeDataChanged /r/x/y 13",
    "nodeChildrenChanged /p 14",
    "nodeCreated /r/z 14",
  ]);
});

t.test("one event of a node, however many watches match it; the root's parent is nobody", async (t) => {
  const changes = [change("created", "/p/a", 11)];
  t.strictSame(told(replay(request(["/p", "/p/a"], ["/", "/p", "/p/a"]), [{ zxid: zx(11), changes }], tree)), [
    "nodeCreated /p/a 11",
    "nodeChildrenChanged /p 11",
  ]);
});

t.test("READ is asked of the changed node, and for a parent that has gone, as it was when it went", async (t) => {
  const changes = [
    change("dataChanged", "/hidden", 11, 2),
    change("created", "/hidden/x", 11),
    change("created", "/gone/a", 12),
    change("deleted", "/gone/a", 13),
    change("deleted", "/gone", 13),
    change("created", "/secret/a", 12),
    change("deleted", "/secret/a", 13),
    change("deleted", "/secret", 13, 2),
  ];
  t.strictSame(told(replay(request(["/hidden", "/gone", "/secret"], []), [{ zxid: zx(13), changes }], tree)), [
    "nodeChildrenChanged /gone 12",
    "nodeChildrenChanged /gone 13",
    "nodeDeleted /gone 13",
  ]);
});

t.test("when history is gone or too long, an event for each watched node stands for all", async (t) => {
  t.strictSame(told(replay(request(["/p", "/none", "/hidden"], ["/r", "/none", "/hidden"]), undefined, tree)), [
    "nodeChildrenChanged /p 20",
    "nodeDeleted /none 20",
    "nodeDataChanged /r 20",
    "nodeDeleted /none 20",
  ]);
});
