/** Multi, flags, sequence numbers, Stat's arithmetic, ACLs and identities, quotas, and ZooKeeper's own nodes. */
import { text } from "../jute.ts";
import {
  type AclEntry,
  anyone,
  auth,
  check,
  closeSession,
  create,
  create2,
  createAs,
  createContainer,
  createTtl,
  digestAcl,
  digestOfU,
  exists,
  getAcl,
  getAllChildrenNumber,
  getChildren,
  getData,
  getEphemerals,
  multi,
  multiRead,
  type Operation,
  raw,
  reconfig,
  remove,
  sasl,
  setAcl,
  setData,
  sync,
  whoAmI,
} from "../operations.ts";
import { alone, type Case, pair } from "./case.ts";

// ---- multi

/** Each begins with a node n (version 0, child c). */
const multis: readonly (readonly [name: string, operations: (t: string) => readonly Operation[]])[] = [
  ["of nothing", () => []],
  ["of one create", (t) => [create(`${t}/x`)]],
  ["of one create2", (t) => [create2(`${t}/x`)]],
  ["of createContainer", (t) => [createContainer(`${t}/x`)]],
  ["of createTTL", (t) => [createTtl(`${t}/x`)]],
  ["of every kind", (t) => [check(`${t}/n`, 0), create(`${t}/x`), setData(`${t}/n`), create2(`${t}/y`), remove(`${t}/n/c`)]],
  ["of an ephemeral", (t) => [create(`${t}/e`, { flags: 1 })]],
  ["that sees its own creates", (t) => [create(`${t}/x`), create(`${t}/x/y`), setData(`${t}/x`), check(`${t}/x`, 1)]],
  ["that sees its own deletes", (t) => [remove(`${t}/n/c`), remove(`${t}/n`), create(`${t}/n`), check(`${t}/n`, 0)]],
  ["that creates and deletes", (t) => [create(`${t}/x`), remove(`${t}/x`)]],
  ["of versions in a row", (t) => [setData(`${t}/n`, "a", 0), setData(`${t}/n`, "b", 1), setData(`${t}/n`, "c", 2)]],
  ["of versions that clash", (t) => [setData(`${t}/n`, "a", 0), setData(`${t}/n`, "b", 0)]],
  [
    "of sequential nodes",
    (t) => [create(`${t}/s-`, { flags: 2 }), create(`${t}/s-`, { flags: 3 }), create2(`${t}/`, { flags: 2 })],
  ],
  ["that fails at once", (t) => [check(`${t}/none`), create(`${t}/x`)]],
  ["that fails in its middle", (t) => [create(`${t}/x`), remove(`${t}/n`), setData(`${t}/n`)]],
  ["that fails at its end", (t) => [create(`${t}/x`), setData(`${t}/n`), create(`${t}/x`)]],
  ["that fails with BADVERSION", (t) => [check(`${t}/n`, 4)]],
  ["that fails with NODEEXISTS", (t) => [create(`${t}/n`)]],
  ["that fails with NONODE", (t) => [create(`${t}/a/b`)]],
  ["that fails with BADARGUMENTS", (t) => [create(`${t}//x`), create(`${t}/y`)]],
  ["that fails with INVALIDACL", (t) => [create(`${t}/y`), create(`${t}/x`, { acl: [] })]],
  ["that fails with NOCHILDRENFOREPHEMERALS", (t) => [create(`${t}/e`, { flags: 1 }), create(`${t}/e/x`)]],
  ["that fails with NOTEMPTY", (t) => [remove(`${t}/n`)]],
  ["with a predefined node", (t) => [create(`${t}/y`), remove("/zookeeper")]],
  ["with bad flags", (t) => [create(`${t}/y`), create(`${t}/x`, { flags: 9 }), create(`${t}/z`)]],
  ["with TTL flags in a create", (t) => [create(`${t}/x`, { flags: 5 })]],
  ["with a bad TTL", (t) => [create(`${t}/y`), createTtl(`${t}/x`, { ttl: 0 })]],
  ["with setACL", (t) => [create(`${t}/y`), setAcl(`${t}/n`)]],
  ["with getData", (t) => [create(`${t}/y`), getData(`${t}/n`)]],
  ["with exists", (t) => [exists(`${t}/n`)]],
  ["with sync", (t) => [sync(t)]],
  ["in a multi", (t) => [create(`${t}/y`), multi(create(`${t}/x`))]],
  ["with closeSession", () => [closeSession()]],
  ["with an unknown opcode", (t) => [create(`${t}/y`), raw("opcode 77", 77, text("/"))]],
  ["of 200 operations", (t) => Array.from({ length: 200 }, () => setData(`${t}/n`))],
  ["of 1,000 checks", (t) => Array.from({ length: 1_000 }, () => check(`${t}/n`))],
];

const multiCases = multis.map(([name, operations]) =>
  alone(`multi ${name}`, async (a, t) => {
    await a.quietly(create(`${t}/n`), create(`${t}/n/c`));
    const one = multi(...operations(t));
    const long = operations(t).length > 100;
    await a.do(long ? { ...one, name: `multi of ${operations(t).length}`, read: countBytes } : one);
    await a.do(getChildren(t), exists(t), exists(`${t}/n`));
  }),
);

function countBytes(r: { readonly left: number; int(): number }): string {
  const { left } = r;
  while (r.left >= 4) r.int();
  return `${left} bytes`;
}

const multiMore: readonly Case[] = [
  alone("a multi that fails gives its sequence numbers back", async (a, t) => {
    await a.do(create(`${t}/s`, { flags: 2 }));
    await a.do(multi(create(`${t}/s`, { flags: 2 }), create(`${t}/s`, { flags: 2 }), remove(`${t}/none`)));
    await a.do(create(`${t}/s`, { flags: 2 }), exists(t));
  }),
  alone("pipelined multis see each other", async (a, t) => {
    a.send(
      multi(create(`${t}/x`), create(`${t}/x/y`)),
      multi(remove(`${t}/x/y`), check(`${t}/none`)),
      multi(remove(`${t}/x/y`), remove(`${t}/x`)),
      exists(t),
    );
    await a.replies(4);
  }),
  alone("a multi's ephemerals are the session's", async (a, t) => {
    await a.do(multi(create(`${t}/e`, { flags: 1 }), create(`${t}/f`, { flags: 3 })), getEphemerals(t), exists(`${t}/e`));
  }),
  pair("a multi needs every permission", async (a, b, t) => {
    await b.authenticate("u:p");
    await b.quietly(create(`${t}/n`, { acl: digestAcl(31) }));
    await a.do(multi(create(`${t}/x`), setData(`${t}/n`)), multi(check(`${t}/n`)), multi(create(`${t}/n/x`)));
    await a.authenticate("u:p");
    await a.do(multi(create(`${t}/x`), setData(`${t}/n`), check(`${t}/n`, 1)));
  }),
  ...(
    [
      ["of nothing", () => []],
      ["of data and children", (t) => [getData(`${t}/n`), getChildren(`${t}/n`), getData(`${t}/none`), getChildren(`${t}/none`)]],
      ["with watches", (t) => [getData(`${t}/n`, true)]],
      ["with exists", (t) => [getData(`${t}/n`), exists(`${t}/n`)]],
      ["with a write", (t) => [getData(`${t}/n`), setData(`${t}/n`)]],
      ["with getChildren2", (t) => [raw("getChildren2", 12, text(`${t}/n`), Buffer.from([0]))]],
      ["of 1,000 reads", (t) => Array.from({ length: 1_000 }, () => getChildren(`${t}/n`))],
    ] as readonly (readonly [string, (t: string) => readonly Operation[]])[]
  ).map(([name, operations]) =>
    alone(`multiRead ${name}`, async (a, t) => {
      await a.quietly(create(`${t}/n`), create(`${t}/n/c`));
      const one = multiRead(...operations(t));
      const long = operations(t).length > 100;
      await a.do(long ? { ...one, name: `multiRead of ${operations(t).length}`, read: countBytes } : one, setData(`${t}/n`));
    }),
  ),
  pair("multiRead of nodes that may not be read", async (a, b, t) => {
    await b.authenticate("u:p");
    await b.quietly(create(`${t}/n`, { acl: digestAcl(31) }), create(`${t}/m`));
    await a.do(multiRead(getData(`${t}/n`), getChildren(`${t}/n`), getData(`${t}/m`)));
  }),
];

// ---- flags and TTLs

const ttls: readonly (bigint | number)[] = [-1, 0, 1, 2 ** 40 - 1, 2 ** 40, 1n << 62n];
/** createTTL without a TTL and with a flag that needs none stops a real ZooKeeper, and keeps it from starting again. */
function isHarmless(opcode: number, flags: number): boolean {
  return opcode !== 21 || flags < 0 || flags > 4;
}
const flagCases: readonly Case[] = [1, 15, 19, 21].flatMap((opcode) =>
  [-1, 0, 1, 2, 3, 4, 5, 6, 7, 64]
    .filter((flags) => isHarmless(opcode, flags))
    .map((flags) =>
      alone(`opcode ${opcode} with flags ${flags}`, async (a, t) => {
        await a.do(createAs(opcode, `${t}/x`, { flags, ttl: flags === 5 || flags === 6 ? 100_000 : -1 }), exists(t));
      }),
    ),
);
const ttlCases: readonly Case[] = [0, 2, 4, 5, 6].flatMap((flags) =>
  ttls
    .filter((ttl) => flags > 4 || ttl >= 0)
    .map((ttl) =>
      alone(`createTTL with flags ${flags} and TTL ${ttl}`, async (a, t) => a.do(createTtl(`${t}/x`, { flags, ttl }))),
    ),
);

// ---- sequence numbers and Stat

const sequences: readonly Case[] = [
  alone("sequence numbers count creates", async (a, t) => {
    const s = create(`${t}/s-`, { flags: 2 });
    await a.do(s, s, create(`${t}/plain`), s, remove(`${t}/plain`), s, create(`${t}/e`, { flags: 1 }), s, exists(t));
  }),
  alone("pipelined sequential creates", async (a, t) => {
    const s = create(`${t}/s-`, { flags: 3 });
    a.send(s, s, s, s, s);
    await a.replies(5);
  }),
  pair("two clients' sequential creates", async (a, b, t) => {
    for (let i = 0; i < 3; i += 1) {
      await a.do(create(`${t}/a-`, { flags: 3 }));
      await b.do(create2(`${t}/b-`, { flags: 2 }));
    }
  }),
  alone("sequential with nothing but a number", async (a, t) =>
    a.do(create(`${t}/`, { flags: 2 }), create2(`${t}/`, { flags: 3 })),
  ),
  alone("sequential below a node created anew", async (a, t) => {
    const s = create(`${t}/p/s`, { flags: 2 });
    await a.do(create(`${t}/p`), s, remove(`${t}/p/s0000000000`), remove(`${t}/p`), create(`${t}/p`), s);
  }),
  alone("sequential in a container and a TTL node", async (a, t) => {
    await a.do(createContainer(`${t}/c`), create(`${t}/c/s`, { flags: 2 }), create(`${t}/c/s`, { flags: 3 }), exists(`${t}/c`));
    await a.do(createTtl(`${t}/t`, { flags: 6 }), create(`${t}/t0000000001/s`, { flags: 2 }), createTtl(`${t}/t`, { flags: 6 }));
  }),
  alone("a failed sequential create takes no number", async (a, t) => {
    await a.do(create(`${t}/s`, { flags: 2 }), create(`${t}/s`, { flags: 2, acl: [] }), create(`${t}/none/s`, { flags: 2 }));
    await a.do(create(`${t}/s`, { flags: 2 }));
  }),
  alone("a sequential name that is taken", async (a, t) => {
    await a.do(create(`${t}/s0000000001`), create(`${t}/s`, { flags: 2 }), create(`${t}/s`, { flags: 2 }));
  }),
  alone("a sequential path with a bad component", async (a, t) =>
    a.do(create(`${t}//s`, { flags: 2 }), create(`${t}/./s`, { flags: 2 }), create(`${t}/..`, { flags: 2 })),
  ),
  alone("Stat of a parent over its children's lives", async (a, t) => {
    await a.do(
      create(`${t}/a`),
      exists(t),
      create(`${t}/b`),
      exists(t),
      remove(`${t}/a`),
      exists(t),
      setData(`${t}/b`),
      exists(t),
    );
    await a.do(create(`${t}/b/g`), exists(t), remove(`${t}/b/g`), remove(`${t}/b`), exists(t));
  }),
  alone("Stat over setData and setACL", async (a, t) => {
    await a.do(setData(t), setAcl(t), setData(t, undefined), getData(t), setData(t, ""), getData(t), setAcl(t), getAcl(t));
  }),
  alone("versions that match", async (a, t) => {
    await a.do(
      setData(t, "a", 0),
      setData(t, "b", 0),
      setData(t, "b", 1),
      setData(t, "c", -2),
      setAcl(t, anyone, 0),
      setAcl(t, anyone, 0),
    );
    await a.do(create(`${t}/x`), remove(`${t}/x`, 1), remove(`${t}/x`, -2), remove(`${t}/x`, 0));
  }),
  alone("getAllChildrenNumber counts all below", async (a, t) => {
    await a.do(create(`${t}/a`), create(`${t}/a/b`), create(`${t}/a/b/c`), create(`${t}/ab`), create(`${t}/e`, { flags: 1 }));
    await a.do(getAllChildrenNumber(t), getAllChildrenNumber(`${t}/a`), getAllChildrenNumber(`${t}/a/b/c`));
    await a.do(multi(remove(`${t}/a/b/c`), create(`${t}/a/d`)), getAllChildrenNumber(t), getAllChildrenNumber(`${t}/a`));
  }),
  pair("getEphemerals tells the session's own", async (a, b, t) => {
    await b.quietly(create(`${t}/b`, { flags: 1 }));
    await a.do(create(`${t}/a`, { flags: 1 }), create(`${t}/ab`, { flags: 1 }), create(`${t}/p`));
    await a.do(getEphemerals(t), getEphemerals(`${t}/a`), getEphemerals(`${t}/p`), getEphemerals("/"), getEphemerals(""));
    await a.do(getEphemerals(undefined), getEphemerals("nonsense"), remove(`${t}/a`), getEphemerals("/"));
  }),
];

// ---- ACLs

const acls: readonly (readonly [name: string, acl: readonly AclEntry[] | undefined])[] = [
  ["null", undefined],
  ["empty", []],
  ["without permissions", [{ perms: 0, scheme: "world", id: "anyone" }]],
  ["with all permissions", [{ perms: 31, scheme: "world", id: "anyone" }]],
  ["with a permission too many", [{ perms: 32, scheme: "world", id: "anyone" }]],
  ["with every bit", [{ perms: -1, scheme: "world", id: "anyone" }]],
  ["of somebody in the world", [{ perms: 31, scheme: "world", id: "somebody" }]],
  ["of an unknown scheme", [{ perms: 31, scheme: "nobody", id: "x" }]],
  ["of a null scheme", [{ perms: 31, scheme: undefined, id: "anyone" }]],
  ["of a null id", [{ perms: 31, scheme: "world", id: undefined }]],
  ["of an empty scheme", [{ perms: 31, scheme: "", id: "anyone" }]],
  ["of a digest", digestAcl(31)],
  ["of a digest without a colon", digestAcl(31, "u")],
  ["of a digest with two colons", digestAcl(31, "u:p:q")],
  ["of a digest without a user", digestAcl(31, ":p")],
  ["of a digest without a hash", digestAcl(31, "u:")],
  ["of an empty digest", digestAcl(31, "")],
  ["of an address", [{ perms: 31, scheme: "ip", id: "127.0.0.1" }]],
  ["of another address", [{ perms: 31, scheme: "ip", id: "10.1.2.3" }]],
  ["of a network", [{ perms: 31, scheme: "ip", id: "127.0.0.0/8" }]],
  ["of a network of 0 bits", [{ perms: 31, scheme: "ip", id: "10.0.0.0/0" }]],
  ["of a network of 33 bits", [{ perms: 31, scheme: "ip", id: "10.0.0.0/33" }]],
  ["of a network of −1 bits", [{ perms: 31, scheme: "ip", id: "10.0.0.0/-1" }]],
  ["of half an address", [{ perms: 31, scheme: "ip", id: "127.0.0" }]],
  ["of no address", [{ perms: 31, scheme: "ip", id: "localhost" }]],
  ["of an address too large", [{ perms: 31, scheme: "ip", id: "127.0.0.256" }]],
  ["of an IPv6 address", [{ perms: 31, scheme: "ip", id: "::1" }]],
  ["of auth without an identity", [{ perms: 31, scheme: "auth", id: "" }]],
  ["of super", [{ perms: 31, scheme: "super", id: "x" }]],
  ["of sasl", [{ perms: 31, scheme: "sasl", id: "x" }]],
  ["of x509", [{ perms: 31, scheme: "x509", id: "CN=x" }]],
  ["twice the same", [...digestAcl(31), ...digestAcl(31), ...anyone]],
  ["in an order", [...digestAcl(1), ...anyone, ...digestAcl(2)]],
  ["one good, one bad", [...anyone, ...digestAcl(31, "bad")]],
];

const aclCases: readonly Case[] = acls.map(([name, acl]) =>
  alone(`an ACL ${name}`, async (a, t) => {
    await a.do(create(`${t}/x`, { acl }), getAcl(`${t}/x`), create(`${t}/y`), setAcl(`${t}/y`, acl), getAcl(`${t}/y`));
    await a.do(getData(`${t}/y`), setData(`${t}/y`), exists(`${t}/y`));
  }),
);

const owned: readonly AclEntry[] = [{ perms: 31, scheme: "auth", id: "" }];
const identityCases: readonly Case[] = [
  alone("auth stands for the identities of the connection", async (a, t) => {
    await a.do(auth("digest", "u:p"), create(`${t}/x`, { acl: owned }), getAcl(`${t}/x`), auth("digest", "v:q"));
    await a.do(
      create(`${t}/y`, { acl: [...owned, ...digestAcl(1)] }),
      getAcl(`${t}/y`),
      setAcl(`${t}/x`, owned),
      getAcl(`${t}/x`),
    );
  }),
  alone("auth with a null id, as kazoo writes empty ones", async (a, t) => {
    await a.authenticate("u:p");
    await a.do(create(`${t}/x`, { acl: [{ perms: 31, scheme: "auth", id: undefined }] }), getAcl(`${t}/x`), setData(`${t}/x`));
  }),
  alone("auth with another's id", async (a, t) => {
    await a.authenticate("u:p");
    await a.do(create(`${t}/x`, { acl: [{ perms: 3, scheme: "auth", id: "whoever" }] }), getAcl(`${t}/x`), setData(`${t}/x`));
  }),
  pair("an identity opens a node", async (a, b, t) => {
    await b.authenticate("u:p");
    await b.quietly(create(`${t}/x`, { acl: digestAcl(31) }));
    await a.do(getData(`${t}/x`), auth("digest", "u:wrong"), getData(`${t}/x`), auth("digest", "u:p"), getData(`${t}/x`));
    await a.do(setData(`${t}/x`), getAcl(`${t}/x`));
  }),
  pair("getACL hides hashes from those who may not administer", async (a, b, t) => {
    await b.authenticate("u:p");
    await b.quietly(create(`${t}/x`, { acl: [...digestAcl(31), { perms: 1, scheme: "world", id: "anyone" }] }));
    await a.do(getAcl(`${t}/x`));
    await b.do(getAcl(`${t}/x`));
  }),
  pair("the super user may do everything", async (a, b, t) => {
    await b.authenticate("u:p");
    await b.quietly(create(`${t}/x`, { acl: digestAcl(31) }));
    await a.do(auth("digest", "super:admin"), getData(`${t}/x`), setData(`${t}/x`), getAcl(`${t}/x`), setAcl(`${t}/x`));
    await a.do(whoAmI(), create(`${t}/y`, { acl: owned }), getAcl(`${t}/y`), remove(`${t}/x`));
  }),
  alone("whoAmI", async (a) => a.do(whoAmI(), auth("digest", "u:p"), auth("digest", "v:q"), auth("digest", "u:p"), whoAmI())),
  alone("what an ACL of nobody forbids", async (a, t) => {
    await a.do(create(`${t}/x`, { acl: [{ perms: 0, scheme: "world", id: "anyone" }] }), getData(`${t}/x`), getAcl(`${t}/x`));
    await a.do(setAcl(`${t}/x`), create(`${t}/x/y`), remove(`${t}/x`));
  }),
  ...(
    [
      ["digest", "u:p"],
      ["digest", "u"],
      ["digest", ""],
      ["digest", ":"],
      ["digest", "u:"],
      ["digest", "u:p:q"],
      ["digest", undefined],
      ["ip", "10.0.0.1"],
      ["world", "anyone"],
      ["auth", "u:p"],
      ["super", "super:admin"],
      ["sasl", "u"],
      ["x509", "u"],
      ["nobody", "u"],
      ["", "u:p"],
      [undefined, "u:p"],
      ["ensemble", ""],
      ["ensemble", "other"],
    ] as const
  ).map(([scheme, credentials]) =>
    alone(`auth ${scheme} ${credentials}`, async (a) => {
      a.send(auth(scheme, credentials), whoAmI());
      await a.replies(2);
    }),
  ),
  alone("sasl without a mechanism", async (a, t) => {
    a.send(sasl(""), exists(t));
    await a.replies(2);
  }),
  alone("an identity of one connection is not another's", async (a, t) => {
    await a.do(
      auth("digest", "u:p"),
      create(`${t}/x`, { acl: [{ perms: 31, scheme: "digest", id: digestOfU }] }),
      getData(`${t}/x`),
    );
  }),
];

// ---- ZooKeeper's own nodes

const ownNodes = ["/zookeeper", "/zookeeper/quota", "/zookeeper/config"];
const badJoiners: readonly string[] = [
  "some thing",
  "server.9",
  "server.9=127.0.0.1:1:2=3",
  "server.x=127.0.0.1:1:2:observer;3",
  "server.9=127.0.0.1:1:2:observer",
  "server.9=127.0.0.1:1:observer;3",
  "server.9=127.0.0.1:1:1:observer;3",
  "server.9=127.0.0.1:1:2:judge;3",
  "server.9=127.0.0.1:1:2:observer;3;4",
  "server.9=127.0.0.1:1:2:observer;x",
  "server.9=127.0.0.1:1:70000:observer;3",
  "9=127.0.0.1:1:2:observer;3",
  "server.9=[::1]:1:2:observer;[::1]:3",
  "server.9=127.0.0.1:1:2: Observer ;3, ",
];
const badMembers: readonly string[] = ["", "some thing", "server.9=127.0.0.1:1:2:observer;3", "server.x=127.0.0.1:1:2;3"];

const ownNodeCases: readonly Case[] = [
  ...ownNodes.flatMap((path) => [
    alone(`delete ${path}`, async (a) => a.do(remove(path))),
    alone(`create ${path}`, async (a) => a.do(create(path))),
    alone(`getACL ${path}`, async (a) => {
      a.masked = path !== "/zookeeper/config";
      await a.do({ ...getAcl(path), read: (r) => `${r.vector(() => `${r.int()}:${r.text()}:${r.text()}`).join(" ")} ${r.left}` });
    }),
  ]),
  alone("delete /", async (a) => a.do(remove("/"), remove("/", 7))),
  alone("create /", async (a) => a.do(create("/"), create2("/", { flags: 1 }))),
  alone("getChildren /zookeeper", async (a) => a.do(getChildren("/zookeeper"))),
  alone("setData /zookeeper/config", async (a) => a.do(setData("/zookeeper/config"))),
  alone("setACL /zookeeper/config", async (a) => a.do(setAcl("/zookeeper/config"))),
  alone("create below /zookeeper/config", async (a) => a.do(create("/zookeeper/config/x"))),
  alone("reconfig", async (a) => a.do(reconfig("server.9=127.0.0.1:1:2:observer;127.0.0.1:3", undefined, undefined))),
  alone("reconfig by the super user", async (a) => {
    await a.authenticate("super:admin");
    await a.do(reconfig(undefined, "9", undefined));
  }),
  alone("reconfig: a version that is not", async (a) => {
    await a.do(reconfig(undefined, "9", undefined, 4_000_000_000), reconfig("some thing", undefined, undefined, 4_000_000_000));
  }),
  ...badJoiners.map((joining) =>
    alone(`reconfig: joining ${joining}`, async (a) => a.do(reconfig(joining, undefined, undefined))),
  ),
  alone("reconfig: leaving no number", async (a) => a.do(reconfig(undefined, "one", undefined))),
  ...badMembers.map((members) =>
    alone(`reconfig: members ${members}`, async (a) => a.do(reconfig(undefined, undefined, members))),
  ),
  alone("reconfig: nothing asked", async (a) => a.do(reconfig(undefined, undefined, undefined))),
  alone("reconfig: empty texts", async (a) => a.do(reconfig("", "", undefined))),
];

// ---- quotas

function limits(t: string, value: string): readonly Operation[] {
  const root = `/zookeeper/quota${t}`;
  return [
    create(root),
    create(`${root}/zookeeper_limits`, { data: value }),
    create(`${root}/zookeeper_stats`, { data: "count=0,bytes=0" }),
  ];
}

const quotas: readonly (readonly [name: string, limits: string, operations: (t: string) => readonly Operation[]])[] = [
  [
    "a hard count",
    "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=3",
    (t) => [create(`${t}/a`), create(`${t}/b`), create(`${t}/c`)],
  ],
  ["a soft count", "count=2,bytes=-1", (t) => [create(`${t}/a`), create(`${t}/b`)]],
  [
    "hard bytes",
    "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=-1",
    (t) => [
      setData(t, "123456789"),
      setData(t, "12345678901"),
      create(`${t}/a`, { data: "12" }),
      setData(t, ""),
      create(`${t}/a`, { data: "12" }),
    ],
  ],
  ["soft bytes", "count=-1,bytes=4", (t) => [setData(t, "123456789")]],
  [
    "a hard count in a multi",
    "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=2",
    (t) => [multi(create(`${t}/a`), create(`${t}/b`))],
  ],
  [
    "a hard count and a delete",
    "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=2",
    (t) => [create(`${t}/a`), remove(`${t}/a`), create(`${t}/b`)],
  ],
];

const quotaCases: readonly Case[] = quotas.map(([name, value, operations]) =>
  alone(`quota: ${name}`, async (a, t) => {
    await a.quietly(...limits(t, value));
    await a.do(...operations(t));
    await a.do({ ...getData(`/zookeeper/quota${t}/zookeeper_stats`), read: (r) => `${r.buffer()} ${passed(r)}` });
    await a.do({ ...getData(`/zookeeper/quota${t}/zookeeper_limits`), read: (r) => `${r.buffer()} ${passed(r)}` });
  }),
);

function passed(r: { readonly left: number; int(): number }): string {
  while (r.left >= 4) r.int();
  return "and its Stat";
}

export const writeCases: readonly Case[] = [
  ...multiCases,
  ...multiMore,
  ...flagCases,
  ...ttlCases,
  ...sequences,
  ...aclCases,
  ...identityCases,
  ...ownNodeCases,
  ...quotaCases,
];
