/** Watches: what each kind tells of each change, once or for ever, to whom, and in which order with replies. */
import {
  addWatch,
  checkWatches,
  closeSession,
  create,
  createContainer,
  createTtl,
  digestAcl,
  exists,
  getChildren,
  getChildren2,
  getData,
  multi,
  type Operation,
  remove,
  removeWatches,
  setAcl,
  setData,
  setWatches,
  type WatchLists,
} from "../operations.ts";
import { alone, type Case, pair } from "./case.ts";

/** The watched node is /t/n, with a child c. */
interface Watch {
  readonly name: string;
  set(t: string): readonly Operation[];
}

const watches: readonly Watch[] = [
  { name: "exists", set: (t) => [exists(`${t}/n`, true)] },
  { name: "getData", set: (t) => [getData(`${t}/n`, true)] },
  { name: "getChildren", set: (t) => [getChildren(`${t}/n`, true)] },
  { name: "getChildren2 of the parent", set: (t) => [getChildren2(t, true)] },
  { name: "getData and getChildren", set: (t) => [getData(`${t}/n`, true), getChildren(`${t}/n`, true)] },
  { name: "getData twice", set: (t) => [getData(`${t}/n`, true), exists(`${t}/n`, true)] },
  { name: "persistent", set: (t) => [addWatch(`${t}/n`, 0)] },
  { name: "recursive", set: (t) => [addWatch(`${t}/n`, 1)] },
  { name: "recursive of the parent", set: (t) => [addWatch(t, 1)] },
  { name: "persistent and getData", set: (t) => [addWatch(`${t}/n`, 0), getData(`${t}/n`, true)] },
  { name: "persistent and recursive", set: (t) => [addWatch(`${t}/n`, 0), addWatch(`${t}/n`, 1)] },
  { name: "recursive and getChildren", set: (t) => [addWatch(`${t}/n`, 1), getChildren(`${t}/n`, true)] },
];

interface Trigger {
  readonly name: string;
  fire(t: string): readonly Operation[];
}

const triggers: readonly Trigger[] = [
  { name: "setData twice", fire: (t) => [setData(`${t}/n`), setData(`${t}/n`)] },
  { name: "setACL", fire: (t) => [setAcl(`${t}/n`)] },
  { name: "children are created", fire: (t) => [create(`${t}/n/d`), create(`${t}/n/e`, { flags: 2 })] },
  { name: "a child is changed and deleted", fire: (t) => [setData(`${t}/n/c`), remove(`${t}/n/c`)] },
  { name: "a grandchild is created", fire: (t) => [create(`${t}/n/c/g`), remove(`${t}/n/c/g`)] },
  { name: "it is deleted and created", fire: (t) => [remove(`${t}/n/c`), remove(`${t}/n`), create(`${t}/n`), setData(`${t}/n`)] },
  { name: "a multi", fire: (t) => [multi(setData(`${t}/n`), create(`${t}/n/d`), remove(`${t}/n/d`), setData(`${t}/n`))] },
  { name: "a multi of delete and create", fire: (t) => [multi(remove(`${t}/n/c`), remove(`${t}/n`), create(`${t}/n`))] },
  { name: "a multi that fails", fire: (t) => [multi(setData(`${t}/n`), create(`${t}/n/d`), remove(`${t}/none`))] },
  { name: "a write that fails", fire: (t) => [setData(`${t}/n`, "y", 9), remove(`${t}/n`), create(`${t}/n`)] },
  { name: "the same data", fire: (t) => [setData(`${t}/n`, "x")] },
];

function made(t: string): readonly Operation[] {
  return [create(`${t}/n`), create(`${t}/n/c`)];
}

const byAnother = watches.flatMap((watch) =>
  triggers.map((trigger) =>
    pair(`watch ${watch.name}: ${trigger.name}`, async (a, b, t) => {
      await b.quietly(...made(t));
      await a.do(...watch.set(t));
      for (const operation of trigger.fire(t)) {
        await b.do(operation);
        await a.events();
      }
    }),
  ),
);

const byItself = watches.flatMap((watch) =>
  triggers.slice(0, 7).map((trigger) =>
    alone(`own watch ${watch.name}: ${trigger.name}`, async (a, t) => {
      await a.quietly(...made(t), ...watch.set(t));
      a.send(...trigger.fire(t));
      await a.replies(trigger.fire(t).length);
    }),
  ),
);

// ---- a node that is not there

const absent: readonly Watch[] = [
  ...watches.slice(0, 3),
  ...watches.slice(6, 9),
  { name: "exists below nothing", set: (t) => [exists(`${t}/n/c`, true)] },
];

const appearing = absent.map((watch) =>
  pair(`watch ${watch.name} of a missing node`, async (a, b, t) => {
    await a.do(...watch.set(t));
    for (const operation of [create(`${t}/n`), setData(`${t}/n`), create(`${t}/n/c`), remove(`${t}/n/c`), remove(`${t}/n`)]) {
      await b.do(operation);
      await a.events();
    }
  }),
);

// ---- re-registration

interface Missed {
  readonly name: string;
  meanwhile(t: string): readonly Operation[];
}

const missed: readonly Missed[] = [
  { name: "nothing", meanwhile: () => [] },
  { name: "setData", meanwhile: (t) => [setData(`${t}/n`)] },
  { name: "a new child", meanwhile: (t) => [create(`${t}/n/d`)] },
  { name: "a child's end", meanwhile: (t) => [remove(`${t}/n/c`)] },
  { name: "its end", meanwhile: (t) => [remove(`${t}/n/c`), remove(`${t}/n`)] },
  { name: "its end and rebirth", meanwhile: (t) => [remove(`${t}/n/c`), remove(`${t}/n`), create(`${t}/n`)] },
  { name: "setACL", meanwhile: (t) => [setAcl(`${t}/n`)] },
  { name: "everything", meanwhile: (t) => [setData(`${t}/n`), create(`${t}/n/d`), setData(`${t}/n/c`)] },
];

const lists: readonly (readonly [name: string, lists: (t: string) => WatchLists])[] = [
  ["data", (t) => ({ data: [`${t}/n`] })],
  ["exist", (t) => ({ exist: [`${t}/n`] })],
  ["child", (t) => ({ child: [`${t}/n`] })],
  ["data and child", (t) => ({ data: [`${t}/n`], child: [`${t}/n`] })],
  ["persistent", (t) => ({ persistent: [`${t}/n`], recursive: [] })],
  ["recursive", (t) => ({ persistent: [], recursive: [`${t}/n`] })],
];

const restored = lists.flatMap(([name, listsOf]) =>
  missed.map((each) =>
    pair(`setWatches ${name} after ${each.name}`, async (a, b, t) => {
      await a.quietly(...made(t), exists(`${t}/n`));
      const since = a.lastZxid;
      for (const operation of each.meanwhile(t)) await b.quietly(operation);
      await a.do(setWatches(since, "then", listsOf(t)));
      await b.do(setData(`${t}/n`), create(`${t}/n/later`));
      await a.events();
    }),
  ),
);

const odd: readonly Case[] = [
  pair("setWatches since 0", async (a, b, t) => {
    await b.quietly(...made(t));
    await a.do(setWatches(0n, "0", { data: [`${t}/n`], exist: [`${t}/none`], child: [`${t}/n`] }));
    await a.events();
  }),
  alone("setWatches since ever", async (a, t) => {
    await a.quietly(...made(t));
    await a.do(setWatches(1n << 62n, "ever", { data: [`${t}/n`], child: [`${t}/n`] }), setData(`${t}/n`));
  }),
  alone("setWatches of nothing", async (a) => a.do(setWatches(0n, "0", {}))),
  alone("setWatches2 of nothing", async (a) => a.do(setWatches(0n, "0", { persistent: [], recursive: [] }))),
  alone("setWatches with bad paths", async (a) =>
    a.do(setWatches(0n, "0", { data: ["", "x", "/a//b"], exist: [""], child: ["/a/"] })),
  ),
  alone("setWatches of a missing node's data", async (a, t) =>
    a.do(setWatches(0n, "0", { data: [`${t}/none`], child: [`${t}/no`] })),
  ),
  alone("setWatches with a usual xid", async (a, t) => a.do({ ...setWatches(0n, "0", { exist: [`${t}/none`] }), xid: 3 })),
];

// ---- removal

const removable: readonly Watch[] = [
  ...watches.slice(0, 3),
  ...watches.slice(4, 5),
  ...watches.slice(6, 8),
  ...watches.slice(9, 12),
  { name: "none", set: () => [] },
];

const removals = removable.flatMap((watch) =>
  [0, 1, 2, 3, 4, 5, 6].map((type) =>
    pair(`removeWatches of type ${type}: ${watch.name}`, async (a, b, t) => {
      await b.quietly(...made(t));
      await a.quietly(...watch.set(t));
      await a.do(checkWatches(`${t}/n`, type), removeWatches(`${t}/n`, type), checkWatches(`${t}/n`, type));
      await b.do(setData(`${t}/n`), create(`${t}/n/d`));
      await a.events();
    }),
  ),
);

// ---- permission, modes, reaping

const owner = digestAcl(31);

const filtered: readonly Case[] = [
  ["getData", (t: string) => getData(`${t}/n`, true)] as const,
  ["getChildren", (t: string) => getChildren(`${t}/n`, true)] as const,
  ["exists", (t: string) => exists(`${t}/n`, true)] as const,
  ["persistent", (t: string) => addWatch(`${t}/n`, 0)] as const,
  ["recursive", (t: string) => addWatch(`${t}/n`, 1)] as const,
].map(([name, set]) =>
  pair(`watch ${name} of a node that may no longer be read`, async (a, b, t) => {
    await b.authenticate("u:p");
    await b.quietly(...made(t));
    await a.do(set(t));
    await b.do(setAcl(`${t}/n`, owner), setData(`${t}/n`), create(`${t}/n/d`));
    await a.events();
    await b.do(remove(`${t}/n/d`), remove(`${t}/n/c`), remove(`${t}/n`));
    await a.events();
  }),
);

const permissions: readonly Case[] = [
  ...filtered,
  pair("watch exists of a node that may not be read when it comes", async (a, b, t) => {
    await b.authenticate("u:p");
    await a.do(exists(`${t}/n`, true), getChildren(t, true));
    await b.do(create(`${t}/n`, { acl: owner }));
    await a.events();
    await b.do(remove(`${t}/n`));
    await a.events();
  }),
  pair("addWatch of a node that may not be read", async (a, b, t) => {
    await b.authenticate("u:p");
    await b.quietly(create(`${t}/n`, { acl: owner }));
    await a.do(addWatch(`${t}/n`, 1), exists(`${t}/n`, true), getData(`${t}/n`, true));
    await b.do(setData(`${t}/n`), create(`${t}/n/open`));
    await a.events();
  }),
  pair("an identity added later lets events through", async (a, b, t) => {
    await b.authenticate("u:p");
    await b.quietly(create(`${t}/n`, { acl: owner }));
    await a.do(addWatch(`${t}/n`, 0));
    await a.authenticate("u:p");
    await b.do(setData(`${t}/n`));
    await a.events();
  }),
];

const modes: readonly Case[] = [
  ...[-1, 2, 3].map((mode) => alone(`addWatch with mode ${mode}`, async (a, t) => a.do(addWatch(t, mode), setData(t)))),
  alone("addWatch twice tells once", async (a, t) => a.do(addWatch(t, 0), addWatch(t, 0), setData(t), setData(t))),
  alone("addWatch changes its mode", async (a, t) => a.do(addWatch(t, 0), addWatch(t, 1), create(`${t}/x`), setData(`${t}/x`))),
  alone("addWatch changes its mode back", async (a, t) =>
    a.do(addWatch(t, 1), addWatch(t, 0), create(`${t}/x`), setData(`${t}/x`)),
  ),
  alone("nested recursive watches tell once", async (a, t) => {
    await a.do(create(`${t}/n`), addWatch(t, 1), addWatch(`${t}/n`, 1), create(`${t}/n/x`), setData(`${t}/n/x`));
  }),
  alone("a one-shot watch below a recursive one", async (a, t) => {
    await a.do(create(`${t}/n`), addWatch(t, 1), getData(`${t}/n`, true), setData(`${t}/n`), setData(`${t}/n`));
  }),
  pair("every watcher is told", async (a, b, t) => {
    await a.do(getData(t, true));
    await b.do(getData(t, true), setData(t));
    await a.events();
    await b.do(setData(t));
    await a.events();
  }),
  pair("a read shows no change before its event", async (a, b, t) => {
    await a.quietly(getData(t, true));
    await b.quietly(setData(t));
    await a.do(getData(t));
  }),
  pair("a watch that a read refuses is not set", async (a, b, t) => {
    await a.do(getData(`${t}/n`, true), getChildren(`${t}/n`, true));
    await b.do(create(`${t}/n`), setData(`${t}/n`), create(`${t}/n/c`));
    await a.events();
  }),
  pair("watches end with their session", async (a, b, t) => {
    await a.quietly(getData(t, true));
    await a.do(closeSession());
    await b.do(setData(t));
  }),
];

const reaping: readonly Case[] = [
  {
    name: "an emptied container is deleted",
    slow: true,
    run: async (scene, t) => {
      const a = await scene.client("a");
      await a.do(createContainer(`${t}/c`), create(`${t}/c/x`), exists(`${t}/c`, true), remove(`${t}/c/x`));
      await a.event();
      await a.do(exists(`${t}/c`), exists(t));
    },
  },
  {
    name: "a TTL node is deleted",
    slow: true,
    run: async (scene, t) => {
      const a = await scene.client("a");
      await a.do(createTtl(`${t}/ttl`, { ttl: 300 }), exists(`${t}/ttl`, true), getChildren(t, true));
      await a.event();
      await a.event();
      await a.do(exists(`${t}/ttl`), exists(t));
    },
  },
  {
    name: "a container that never had a child stays",
    slow: true,
    run: async (scene, t) => {
      const a = await scene.client("a");
      await a.do(createContainer(`${t}/never`), createTtl(`${t}/clock`, { ttl: 700 }), exists(`${t}/clock`, true));
      await a.event();
      await a.do(exists(`${t}/never`));
    },
  },
  {
    name: "a TTL node with a child stays",
    slow: true,
    run: async (scene, t) => {
      const a = await scene.client("a");
      await a.do(createTtl(`${t}/ttl`, { ttl: 600 }), create(`${t}/ttl/x`));
      await a.do(createTtl(`${t}/clock`, { ttl: 700 }), exists(`${t}/clock`, true));
      await a.event();
      await a.do(exists(`${t}/ttl`), exists(`${t}/ttl/x`));
    },
  },
];

export const watchCases: readonly Case[] = [
  ...byAnother,
  ...byItself,
  ...appearing,
  ...restored,
  ...odd,
  ...removals,
  ...permissions,
  ...modes,
  ...reaping,
];
