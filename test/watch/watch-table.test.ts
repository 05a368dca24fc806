import t from "tap";
import { productionLimits } from "../../src/model/limits.ts";
import { isWithin, parentOf } from "../../src/model/path.ts";
import type { WatcherType } from "../../src/model/request.ts";
import type { Change, WatchEvent } from "../../src/model/watch.ts";
import { type WatchAccess, WatchTable } from "../../src/watch/watch-table.ts";
import { Random } from "../support/random.ts";
import { change } from "./support.ts";

const everyone: WatchAccess = { permits: () => true, aclIdOf: () => 1 };

function tableOf(access: WatchAccess = everyone, watches_per_connection_max = 1_000): WatchTable {
  return new WatchTable({ ...productionLimits, watches_per_connection_max }, access);
}

/** The events of one txn as `connection type path`. */
function fired(table: WatchTable, ...changes: Change[]): string[] {
  const lines: string[] = [];
  table.trigger(changes, (connection, event) => lines.push(`${connection} ${event.type} ${event.path}`));
  return lines;
}

t.test("create fires the data table at the node and the child table at the parent", async (t) => {
  const table = tableOf();
  table.add(1, "data", "/a/b");
  table.add(2, "child", "/a");
  table.add(3, "data", "/a");
  table.add(4, "child", "/a/b");
  t.strictSame(fired(table, change("created", "/a/b", 1)), ["1 nodeCreated /a/b", "2 nodeChildrenChanged /a"]);
  t.equal(table.count, 2);
  t.strictSame(fired(table, change("created", "/a/b", 2)), [], "one-shot");
});

t.test("delete fires both tables at the node, once a connection, then the parent", async (t) => {
  const table = tableOf();
  table.add(1, "data", "/a/b");
  table.add(1, "child", "/a/b");
  table.add(2, "child", "/a/b");
  table.add(1, "child", "/a");
  t.strictSame(fired(table, change("deleted", "/a/b", 1)), [
    "1 nodeDeleted /a/b",
    "2 nodeDeleted /a/b",
    "1 nodeChildrenChanged /a",
  ]);
  t.ok(table.empty);
});

t.test("setData fires the data table alone; setAcl nothing", async (t) => {
  const table = tableOf();
  table.add(1, "data", "/a");
  table.add(2, "child", "/a");
  table.add(3, "child", "/");
  t.strictSame(fired(table, change("aclChanged", "/a", 1)), []);
  t.strictSame(fired(table, change("dataChanged", "/a", 2)), ["1 nodeDataChanged /a"]);
  t.equal(table.count, 2);
});

t.test("the parent of a top-level node is /", async (t) => {
  const table = tableOf();
  table.add(1, "child", "/");
  t.strictSame(fired(table, change("created", "/a", 1)), ["1 nodeChildrenChanged /"]);
});

t.test("a persistent watch stays and stands in both tables", async (t) => {
  const table = tableOf();
  table.addPersistent(1, "/a", false);
  table.add(1, "data", "/a");
  const all = [
    change("created", "/a", 1),
    change("created", "/a/b", 1),
    change("dataChanged", "/a", 1),
    change("dataChanged", "/a/b", 1),
    change("deleted", "/a/b", 1),
    change("deleted", "/a", 1),
  ];
  const expected = [
    "1 nodeCreated /a",
    "1 nodeChildrenChanged /a",
    "1 nodeDataChanged /a",
    "1 nodeChildrenChanged /a",
    "1 nodeDeleted /a",
  ];
  t.strictSame(fired(table, ...all), expected);
  t.equal(table.count, 1, "the one-shot watch is used up");
  t.strictSame(fired(table, ...all), expected);
});

t.test("a recursive watch sees the subtree, never nodeChildrenChanged, and each event once", async (t) => {
  const table = tableOf();
  table.addPersistent(1, "/a", true);
  table.addPersistent(1, "/", true);
  table.add(1, "data", "/a/b/c");
  table.add(1, "child", "/a/b/c");
  t.strictSame(fired(table, change("created", "/a/b/c", 1), change("deleted", "/a/b/c", 2)), [
    "1 nodeCreated /a/b/c",
    "1 nodeDeleted /a/b/c",
  ]);
  t.equal(table.count, 2, "both one-shot watches are used up");
  t.strictSame(fired(table, change("created", "/ab", 3)), ["1 nodeCreated /ab"], "/ab is within /, not within /a");
});

t.test("without READ nothing is told, and the one-shot watch is used up", async (t) => {
  const acls = new Map([["/a", 9]]);
  const table = tableOf({ permits: (connection, acl) => connection === 1 || acl !== 9, aclIdOf: (path) => acls.get(path) });
  for (const connection of [1, 2]) {
    table.add(connection, "child", "/a");
    table.add(connection, "data", "/a/b");
  }
  t.strictSame(fired(table, change("created", "/a/b", 1, 9)), ["1 nodeCreated /a/b", "1 nodeChildrenChanged /a"]);
  t.ok(table.empty);
});

t.test("a parent deleted in the same txn is judged by the ACL that it had", async (t) => {
  const table = tableOf({ permits: (_connection, acl) => acl === 5, aclIdOf: () => undefined });
  table.add(1, "child", "/a");
  table.addPersistent(2, "/c", false);
  const lines = fired(
    table,
    change("deleted", "/a/b", 1, 1),
    change("deleted", "/a", 1, 5),
    change("deleted", "/c/d", 1, 5),
    change("deleted", "/c", 1, 6),
  );
  t.strictSame(lines, ["1 nodeChildrenChanged /a"]);
});

t.test("remove and has tell the modes apart", async (t) => {
  const table = tableOf();
  t.notOk(table.remove(1, "/a", "any"));
  table.add(1, "data", "/a");
  table.add(1, "child", "/a");
  table.addPersistent(1, "/a", false);
  table.addPersistent(1, "/a", true);
  t.equal(table.count, 4);
  const kinds: WatcherType[] = ["data", "children", "persistent", "persistentRecursive"];
  for (const kind of kinds) {
    t.ok(table.has(1, "/a", kind) && table.remove(1, "/a", kind), kind);
    t.notOk(table.has(1, "/a", kind) || table.remove(1, "/a", kind), `${kind} is gone`);
  }
  t.ok(table.empty);
  table.add(1, "child", "/a");
  table.addPersistent(1, "/a", true);
  t.ok(table.remove(1, "/a", "any"));
  t.ok(table.empty);
});

t.test("watches are bounded by connection, and die with it", async (t) => {
  const table = tableOf(everyone, 2);
  t.ok(table.add(1, "data", "/a") && table.add(1, "data", "/b"));
  t.ok(table.add(1, "data", "/a"), "registered already");
  t.notOk(table.add(1, "child", "/a"));
  t.notOk(table.arm(1, { data: [], child: ["/c"], persistent: [], persistentRecursive: [] }));
  t.ok(table.add(2, "data", "/a"));
  table.dropConnection(1);
  t.equal(table.count, 1);
  t.ok(table.arm(1, { data: ["/a"], child: [], persistent: ["/p"], persistentRecursive: [] }));
  t.strictSame(fired(table, change("dataChanged", "/a", 1)), ["2 nodeDataChanged /a", "1 nodeDataChanged /a"]);
});

// ---- against a model as plain as the table of ZooKeeper's triggers

type Mode = "data" | "children" | "persistent" | "persistentRecursive";
interface Watch {
  readonly connection: number;
  readonly path: string;
  readonly mode: Mode;
}

class NaiveWatches {
  watches: Watch[] = [];

  add(watch: Watch): void {
    if (!this.watches.some((w) => same(w, watch))) this.watches.push(watch);
  }

  remove(connection: number, path: string, kind: WatcherType): boolean {
    const before = this.watches.length;
    this.watches = this.watches.filter(
      (w) => w.connection !== connection || w.path !== path || (kind !== "any" && kind !== w.mode),
    );
    return this.watches.length < before;
  }

  /** Everyone with a matching watch, each once; the one-shot watches that matched are gone after it. */
  #fire(event: string, matches: (watch: Watch) => boolean, told: Set<string>): void {
    for (const watch of this.watches.filter(matches)) told.add(`${watch.connection} ${event}`);
    this.watches = this.watches.filter((w) => !matches(w) || w.mode === "persistent" || w.mode === "persistentRecursive");
  }

  trigger(one: Change, told: Set<string>): void {
    if (one.type === "aclChanged") return;
    const inData = (w: Watch) =>
      (w.path === one.path && (w.mode === "data" || w.mode === "persistent")) ||
      (w.mode === "persistentRecursive" && isWithin(one.path, w.path));
    const inChild = (w: Watch) => w.path === one.path && (w.mode === "children" || w.mode === "persistent");
    const atParent = (w: Watch) => w.path === parentOf(one.path) && (w.mode === "children" || w.mode === "persistent");
    if (one.type === "dataChanged") return this.#fire(`nodeDataChanged ${one.path} ${one.zxid}`, inData, told);
    if (one.type === "created") this.#fire(`nodeCreated ${one.path} ${one.zxid}`, inData, told);
    else this.#fire(`nodeDeleted ${one.path} ${one.zxid}`, (w) => inData(w) || inChild(w), told);
    this.#fire(`nodeChildrenChanged ${parentOf(one.path)} ${one.zxid}`, atParent, told);
  }
}

function same(a: Watch, b: Watch): boolean {
  return a.connection === b.connection && a.path === b.path && a.mode === b.mode;
}

function randomStep(random: Random, table: WatchTable, naive: NaiveWatches): string | undefined {
  const connection = random.below(4);
  const path = random.pick(paths);
  const kind = random.pick<WatcherType>(["data", "children", "persistent", "persistentRecursive", "any"]);
  if (random.chance(0.05)) {
    table.dropConnection(connection);
    naive.watches = naive.watches.filter((w) => w.connection !== connection);
  } else if (kind === "any" || random.chance(0.2)) {
    if (
      table.has(connection, path, kind) !==
      naive.watches.some((w) => w.connection === connection && w.path === path && (kind === "any" || w.mode === kind))
    )
      return "has";
    if (table.remove(connection, path, kind) !== naive.remove(connection, path, kind)) return "remove";
  } else {
    naive.add({ connection, path, mode: kind });
    if (kind === "data") table.add(connection, "data", path);
    else if (kind === "children") table.add(connection, "child", path);
    else table.addPersistent(connection, path, kind === "persistentRecursive");
  }
  return undefined;
}

const paths = ["/", "/a", "/ab", "/a/b", "/a/c", "/a/b/c", "/a/b/c/d"];

t.test("random watches and changes agree with a naive model", async (t) => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const random = new Random(seed);
    const table = tableOf();
    const naive = new NaiveWatches();
    for (let step = 1; step <= 300; step += 1) {
      const wrong = randomStep(random, table, naive);
      if (wrong !== undefined) t.fail(`seed ${seed} step ${step}: ${wrong}`);
      const one = change(
        random.pick(["created", "deleted", "dataChanged", "aclChanged"] as const),
        random.pick(paths.slice(1)),
        step,
      );
      const got: string[] = [];
      const expected = new Set<string>();
      table.trigger([one], (connection, event: WatchEvent) =>
        got.push(`${connection} ${event.type} ${event.path} ${event.zxid}`),
      );
      naive.trigger(one, expected);
      if (got.toSorted().join() !== [...expected].toSorted().join())
        t.strictSame(got, [...expected], `seed ${seed} step ${step}`);
      if (table.count !== naive.watches.length) t.equal(table.count, naive.watches.length, `seed ${seed} step ${step}`);
    }
  }
  t.pass("40 seeds");
});
