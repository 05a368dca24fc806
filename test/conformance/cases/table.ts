/** Every operation on every kind of target: one request each, and what the target looks like after a write. */
import {
  addWatch,
  anyone,
  check,
  checkWatches,
  create,
  create2,
  createContainer,
  createTtl,
  deleteContainer,
  digestAcl,
  exists,
  getAcl,
  getAllChildrenNumber,
  getChildren,
  getChildren2,
  getData,
  getEphemerals,
  multi,
  multiRead,
  type Operation,
  type Path,
  remove,
  removeWatches,
  setAcl,
  setData,
  sync,
} from "../operations.ts";
import type { Case } from "./case.ts";

interface Target {
  readonly name: string;
  path(t: string): Path;
  /** Made by another client beforehand. */
  before?(t: string): readonly Operation[];
  /** Made by the client itself beforehand. */
  own?(t: string): readonly Operation[];
  /** The path as it stands is enough: only these operations. Undefined: all. */
  readonly only?: "syntax";
  /** Its answers tell of other cases too. */
  readonly masked?: boolean;
}

/** v:q, of whose digest the client has no part. */
const foreign = "v:C0S5NLNJ3Fe6M1iTWh5hXCe6oLQ=";
function locked(perms: number): readonly { perms: number; scheme: string; id: string }[] {
  return [
    { perms, scheme: "world", id: "anyone" },
    { perms: 31 & ~perms, scheme: "digest", id: foreign },
  ];
}

function behindAcl(name: string, perms: number): Target {
  return {
    name,
    path: (t) => `${t}/node`,
    before: (t) => [create(`${t}/node`, { acl: perms === 0 ? digestAcl(31, foreign) : locked(perms) })],
  };
}

function belowAcl(name: string, perms: number): Target {
  return {
    name,
    path: (t) => `${t}/node/child`,
    before: (t) => [create(`${t}/node`), create(`${t}/node/child`), setAclOf(`${t}/node`, perms)],
  };
}

function setAclOf(path: string, perms: number): Operation {
  return setAcl(path, perms === 0 ? digestAcl(31, foreign) : locked(perms));
}

function named(name: string, path: (t: string) => Path): Target {
  return { name, path, only: "syntax" };
}

const targets: readonly Target[] = [
  { name: "a missing node", path: (t) => `${t}/none` },
  { name: "a missing parent", path: (t) => `${t}/none/child` },
  { name: "a leaf", path: (t) => `${t}/leaf`, before: (t) => [create(`${t}/leaf`)] },
  {
    name: "a leaf at version 2",
    path: (t) => `${t}/leaf`,
    before: (t) => [create(`${t}/leaf`), setData(`${t}/leaf`), setData(`${t}/leaf`), setAcl(`${t}/leaf`)],
  },
  { name: "a leaf without data", path: (t) => `${t}/leaf`, before: (t) => [create(`${t}/leaf`, { data: undefined })] },
  { name: "a parent", path: (t) => `${t}/node`, before: (t) => [create(`${t}/node`), create(`${t}/node/child`)] },
  { name: "its own ephemeral", path: (t) => `${t}/e`, own: (t) => [create(`${t}/e`, { flags: 1 })] },
  { name: "another's ephemeral", path: (t) => `${t}/e`, before: (t) => [create(`${t}/e`, { flags: 1 })] },
  { name: "a child of an ephemeral", path: (t) => `${t}/e/child`, before: (t) => [create(`${t}/e`, { flags: 1 })] },
  { name: "a container", path: (t) => `${t}/c`, before: (t) => [createContainer(`${t}/c`)] },
  { name: "a child of a container", path: (t) => `${t}/c/child`, before: (t) => [createContainer(`${t}/c`)] },
  { name: "a TTL node", path: (t) => `${t}/ttl`, before: (t) => [createTtl(`${t}/ttl`)] },
  { name: "a child of a TTL node", path: (t) => `${t}/ttl/child`, before: (t) => [createTtl(`${t}/ttl`)] },
  behindAcl("a node without a permission", 0),
  behindAcl("a node to read", 1),
  behindAcl("a node to write", 2),
  behindAcl("a node to create below", 4),
  behindAcl("a node to delete below", 8),
  behindAcl("a node to administer", 16),
  belowAcl("a child of a node without a permission", 0),
  belowAcl("a child of a node to create below", 4),
  belowAcl("a child of a node to delete below", 8),
  named("a null path", () => undefined),
  { ...named("an empty path", () => ""), masked: true },
  named("a path without a slash", () => "abc"),
  named("a relative path", (t) => `${t.slice(1)}/x`),
  named("a path with a slash at its end", (t) => `${t}/x/`),
  named("a path with an empty component", (t) => `${t}//x`),
  named("a path with a dot", (t) => `${t}/./x`),
  named("a path with two dots", (t) => `${t}/../x`),
  named("a path that ends with two dots", (t) => `${t}/..`),
  named("a path with a NUL", (t) => `${t}/a\0b`),
  named("a path with a control character", (t) => `${t}/a\u0001b`),
  named("a path with U+007F", (t) => `${t}/a\u007fb`),
  named("a path with a character for private use", (t) => `${t}/a\ue000b`),
  named("a path with U+FFFE", (t) => `${t}/a\ufffeb`),
  named("a path with letters of many alphabets", (t) => `${t}/Ωжה漢`),
  named("a path with an astral character", (t) => `${t}/a😀b`),
];

interface Row {
  readonly name: string;
  make(path: Path): Operation;
  /** Not asked of paths that only differ in spelling. */
  readonly nodesOnly?: boolean;
  readonly write?: boolean;
}

function write(name: string, make: (path: Path) => Operation, nodesOnly = false): Row {
  return { name, make, write: true, nodesOnly };
}
function read(name: string, make: (path: Path) => Operation, nodesOnly = false): Row {
  return { name, make, nodesOnly };
}

const rows: readonly Row[] = [
  write("create", (p) => create(p)),
  write("create, ephemeral", (p) => create(p, { flags: 1 })),
  write("create, sequential", (p) => create(p, { flags: 2 })),
  write("create, ephemeral and sequential", (p) => create(p, { flags: 3 }), true),
  write("create2", (p) => create2(p), true),
  write("create2, ephemeral", (p) => create2(p, { flags: 1 }), true),
  write("createContainer", (p) => createContainer(p), true),
  write("createTTL", (p) => createTtl(p), true),
  write("delete", (p) => remove(p)),
  write("delete of version 0", (p) => remove(p, 0), true),
  write("delete of version 7", (p) => remove(p, 7), true),
  write("setData", (p) => setData(p)),
  write("setData of version 0", (p) => setData(p, "y", 0), true),
  write("setData of version 7", (p) => setData(p, "y", 7), true),
  write("setACL", (p) => setAcl(p)),
  write("setACL of version 0", (p) => setAcl(p, anyone, 0), true),
  write("setACL of version 7", (p) => setAcl(p, anyone, 7), true),
  write("multi of check", (p) => multi(check(p))),
  write("multi of check of version 7", (p) => multi(check(p, 7)), true),
  write("multi of delete and create", (p) => multi(remove(p), create(p))),
  write("multi of setData twice", (p) => multi(setData(p), setData(p, "z")), true),
  read("exists", (p) => exists(p)),
  read("getData", (p) => getData(p)),
  read("getACL", (p) => getAcl(p)),
  read("getChildren", (p) => getChildren(p)),
  read("getChildren2", (p) => getChildren2(p), true),
  read("getAllChildrenNumber", (p) => getAllChildrenNumber(p)),
  read("getEphemerals", (p) => getEphemerals(p)),
  read("multiRead", (p) => multiRead(getData(p), getChildren(p))),
  read("sync", (p) => sync(p)),
  read("addWatch", (p) => addWatch(p, 0)),
  read("checkWatches", (p) => checkWatches(p, 3)),
  read("removeWatches", (p) => removeWatches(p, 3)),
];

/** Ends its connection, so asked on a few targets alone. */
const fatal: readonly Row[] = [read("check", (p) => check(p)), read("deleteContainer", (p) => deleteContainer(p))];

function caseOf(row: Row, target: Target): Case {
  return {
    name: `${row.name}: ${target.name}`,
    run: async (scene, t) => {
      const b = target.before === undefined ? undefined : await scene.client("b");
      if (b !== undefined) await b.quietly(...(target.before?.(t) ?? []));
      const a = await scene.client("a");
      a.masked = target.masked ?? false;
      if (target.own !== undefined) await a.quietly(...target.own(t));
      const path = target.path(t);
      await a.do(row.make(path));
      if (row.write === true && target.only === undefined) await a.do(exists(path), exists(t));
    },
  };
}

const everywhere = rows.flatMap((row) =>
  targets.filter((target) => !(row.nodesOnly === true && target.only === "syntax")).map((target) => caseOf(row, target)),
);
const once = fatal.flatMap((row) => targets.slice(0, 3).map((target) => caseOf(row, target)));

export const tableCases: readonly Case[] = [...everywhere, ...once];
