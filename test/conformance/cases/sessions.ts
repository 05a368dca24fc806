/** Sessions: the handshake in all its forms, renewal, the end of a session, and what comes at the wrong time. */
import { setTimeout as delay } from "node:timers/promises";
import { frame, int, long, text } from "../jute.ts";
import {
  auth,
  closeSession,
  create,
  create2,
  exists,
  getChildren,
  getData,
  getEphemerals,
  type Operation,
  ping,
  raw,
  remove,
  setData,
  sync,
} from "../operations.ts";
import { type ConnectOptions, connectFrame } from "../scene.ts";
import { alone, type Case } from "./case.ts";

const eternity = 1n << 62n;

// ---- handshakes of new sessions

const newSessions: readonly (readonly [name: string, options: ConnectOptions])[] = [
  ["of 45 bytes", {}],
  ["of 44 bytes", { readOnly: undefined }],
  ["that may be read-only", { readOnly: true }],
  ["with the shortest timeout", { timeoutMs: 400 }],
  ["with too short a timeout", { timeoutMs: 1 }],
  ["with no timeout", { timeoutMs: 0 }],
  ["with a negative timeout", { timeoutMs: -5 }],
  ["with the longest timeout", { timeoutMs: 40_000 }],
  ["with too long a timeout", { timeoutMs: 0x7fff_ffff }],
  ["with an odd timeout", { timeoutMs: 5_001 }],
  ["of another protocol version", { protocolVersion: 7 }],
  ["with an empty password", { password: Buffer.alloc(0) }],
  ["with a short password", { password: Buffer.from("abc") }],
  ["with a long password", { password: Buffer.alloc(40, 1) }],
  ["with a negative zxid", { lastZxid: -1n }],
  ["with a zxid ahead", { lastZxid: eternity }],
];

function newSession([name, options]: (typeof newSessions)[number]): Case {
  return {
    name: `handshake ${name}`,
    run: async (scene, t) => {
      const a = scene.dial("a");
      a.hello(options);
      await a.welcome();
      if (!a.ended) await a.do(create(`${t}/x`, { flags: 1 }));
    },
  };
}

// ---- renewal

const renewals: readonly (readonly [name: string, options: ConnectOptions])[] = [
  ["with its password", {}],
  ["in 44 bytes", { readOnly: undefined }],
  ["with a longer timeout", { timeoutMs: 20_000 }],
  ["with a shorter timeout", { timeoutMs: 6_000 }],
  ["with too long a timeout", { timeoutMs: 1_000_000 }],
  ["with a wrong password", { password: Buffer.alloc(16, 9) }],
  ["with zeros for a password", { password: Buffer.alloc(16) }],
  ["with an empty password", { password: Buffer.alloc(0) }],
  ["with a zxid ahead", { lastZxid: eternity }],
  ["of an unknown session", { session: 0x1234_5678n }],
  ["of an unknown session in 44 bytes", { session: 0x1234_5678n, readOnly: undefined }],
  ["of a session of another server", { session: 0x0200_0000_1234_5678n }],
  ["of a negative session", { session: -5n }],
];

function renewal([name, options]: (typeof renewals)[number]): Case {
  return {
    name: `renewal ${name}`,
    run: async (scene, t) => {
      const a = await scene.client("a");
      await a.quietly(create(`${t}/e`, { flags: 1 }));
      a.drop();
      const again = scene.dial("a2");
      again.hello({ ...a.credentials, ...options });
      await again.welcome();
      if (again.ended) await again.close();
      else await again.do(exists(`${t}/e`), getEphemerals(t));
    },
  };
}

/** A zxid that the server may reach, but has not. */
function ahead(session: "new" | "own"): Case {
  return {
    name: `handshake of ${session === "new" ? "a new" : "its own"} session with a zxid a little ahead`,
    run: async (scene, t) => {
      const a = await scene.client("a");
      await a.do(exists(t));
      a.drop();
      const again = scene.dial("a2");
      again.hello({ ...(session === "own" ? a.credentials : {}), lastZxid: a.lastZxid + 1_000_000n });
      await again.welcome();
    },
  };
}

const renewing: readonly Case[] = [
  ahead("new"),
  ahead("own"),
  {
    name: "renewal closes the session's other connection",
    run: async (scene, t) => {
      const a = await scene.client("a");
      const again = scene.dial("a2");
      again.hello(a.credentials);
      await again.welcome();
      await a.close();
      await again.do(create2(`${t}/e`, { flags: 1 }));
    },
  },
  {
    name: "a refused renewal leaves the session's connection alone",
    run: async (scene, t) => {
      const a = await scene.client("a");
      const thief = scene.dial("thief");
      thief.hello({ session: a.session, password: Buffer.alloc(16, 7) });
      await thief.welcome();
      await thief.close();
      await a.do(exists(t));
    },
  },
  {
    name: "what is pipelined behind a refused renewal is not performed",
    run: async (scene, t) => {
      const b = scene.dial("b");
      b.hello({ session: 0x77n, password: Buffer.alloc(16, 7) });
      b.send(create(`${t}/x`), setData(t));
      await b.welcome();
      await b.close();
      await (await scene.client("a")).do(exists(`${t}/x`), exists(t));
    },
  },
  {
    name: "a renewed session has no watches",
    run: async (scene, t) => {
      const a = await scene.client("a");
      await a.quietly(getData(t, true));
      a.drop();
      const again = scene.dial("a2");
      again.hello(a.credentials);
      await again.welcome(true);
      await again.do(setData(t));
      await again.events();
    },
  },
  {
    name: "a renewed session has no identities",
    run: async (scene) => {
      const a = await scene.client("a");
      await a.authenticate("u:p");
      a.drop();
      const again = scene.dial("a2");
      again.hello(a.credentials);
      await again.welcome(true);
      await again.do(raw("whoAmI", 107));
    },
  },
  {
    name: "xids of a renewed session begin anew",
    run: async (scene, t) => {
      const a = await scene.client("a");
      await a.do(create(`${t}/x`));
      a.drop();
      const again = scene.dial("a2");
      again.hello(a.credentials);
      await again.welcome(true);
      await again.do(create(`${t}/x`), create(`${t}/y`));
    },
  },
];

// ---- ends

const ends: readonly Case[] = [
  alone("closeSession", async (a) => {
    await a.do(closeSession());
    await a.close();
  }),
  {
    name: "what is pipelined behind closeSession is not performed",
    run: async (scene, t) => {
      const a = await scene.client("a");
      a.send(closeSession(), create(`${t}/late`));
      await a.replies(1);
      // ZooKeeper answers the second with SESSIONEXPIRED if it comes to that before it closes.
      a.drop();
      await (await scene.client("b")).do(exists(`${t}/late`));
    },
  },
  alone("closeSession with a body", async (a) => {
    await a.do({ ...closeSession(), body: [int(5)] });
    await a.close();
  }),
  {
    name: "closeSession ends ephemerals under one zxid",
    run: async (scene, t) => {
      const a = await scene.client("a");
      const b = await scene.client("b");
      await b.quietly(create(`${t}/e1`, { flags: 1 }), create(`${t}/e2`, { flags: 1 }), create(`${t}/stays`));
      await a.quietly(exists(`${t}/e1`, true), exists(`${t}/e2`, true), getChildren(t, true));
      await b.do(closeSession());
      for (let i = 0; i < 3; i += 1) await a.event();
      // ZooKeeper keeps a session's ephemerals in no order.
      scene.sortLast(3);
      await a.do(exists(`${t}/e1`), getChildren(t), exists(t));
    },
  },
  {
    name: "a closed session cannot be renewed",
    run: async (scene) => {
      const a = await scene.client("a");
      await a.do(closeSession());
      const again = scene.dial("a2");
      again.hello(a.credentials);
      await again.welcome();
      await again.close();
    },
  },
  {
    name: "a broken connection leaves ephemerals",
    run: async (scene, t) => {
      const a = await scene.client("a");
      const b = await scene.client("b");
      await b.quietly(create(`${t}/e`, { flags: 1 }));
      b.drop();
      await a.do(exists(`${t}/e`));
      const again = scene.dial("b2");
      again.hello(b.credentials);
      await again.welcome();
      await again.do(remove(`${t}/e`));
    },
  },
  {
    name: "an ephemeral of another session may be deleted",
    run: async (scene, t) => {
      const a = await scene.client("a");
      const b = await scene.client("b");
      await b.quietly(create(`${t}/e`, { flags: 1 }));
      await a.do(remove(`${t}/e`));
      await b.do(getEphemerals("/"), closeSession());
      await a.do(exists(t));
    },
  },
];

// ---- expiry

const expiries: readonly Case[] = [
  {
    name: "expiry ends ephemerals",
    slow: true,
    run: async (scene, t) => {
      const a = await scene.client("a");
      const b = await scene.client("b", { timeoutMs: 1_000 });
      await b.quietly(create(`${t}/e`, { flags: 1 }));
      await a.quietly(exists(`${t}/e`, true), getChildren(t, true));
      b.drop();
      await a.event();
      await a.event();
      await a.do(exists(`${t}/e`), exists(t));
    },
  },
  {
    name: "an expired session cannot be renewed",
    slow: true,
    run: async (scene, t) => {
      const a = await scene.client("a");
      const b = await scene.client("b", { timeoutMs: 1_000 });
      await b.quietly(create(`${t}/e`, { flags: 1 }));
      await a.quietly(exists(`${t}/e`, true));
      b.drop();
      await a.event();
      const again = scene.dial("b2");
      again.hello(b.credentials);
      await again.welcome();
      await again.close();
    },
  },
  {
    name: "a silent connection is closed when its session expires",
    slow: true,
    run: async (scene, t) => {
      const a = await scene.client("a");
      const b = await scene.client("b", { timeoutMs: 1_000 });
      await b.quietly(create(`${t}/e`, { flags: 1 }));
      await a.quietly(exists(`${t}/e`, true));
      await b.close();
      await a.event();
    },
  },
  keptAlive("pings", ping()),
  keptAlive("reads", getData("/zookeeper")),
  keptAlive("writes", create("/none/none")),
];

function keptAlive(by: string, operation: Operation): Case {
  return {
    name: `a session lives by ${by}`,
    slow: true,
    run: async (scene, t) => {
      const a = await scene.client("a");
      const b = await scene.client("b", { timeoutMs: 1_000 });
      await b.quietly(create(`${t}/e`, { flags: 1 }));
      for (let i = 0; i < 8; i += 1) {
        await delay(250);
        b.send(operation);
        await b.connection.receive();
      }
      await a.do(exists(`${t}/e`));
    },
  };
}

// ---- around the handshake

const pipelined: readonly Case[] = [
  {
    name: "requests pipelined behind the handshake are performed in order",
    run: async (scene, t) => {
      const a = scene.dial("a");
      a.hello();
      a.send(auth("digest", "u:p"), create(`${t}/x`), getData(`${t}/x`), exists(`${t}/none`));
      await a.welcome();
      await a.replies(4);
    },
  },
  {
    name: "a request without a handshake",
    run: async (scene) => {
      const a = scene.dial("a");
      a.send(getData("/"));
      await a.close();
    },
  },
  {
    name: "a second handshake",
    run: async (scene) => {
      const a = await scene.client("a");
      a.raw("a handshake", connectFrame({}));
      await a.close();
    },
  },
  {
    name: "a handshake cut short",
    run: async (scene) => {
      const a = scene.dial("a");
      a.raw("a handshake of 20 bytes", frame(connectFrame({}).subarray(4, 24)));
      await a.close();
    },
  },
  {
    name: "a handshake with a byte too many",
    run: async (scene) => {
      const a = scene.dial("a");
      a.raw("a handshake of 46 bytes", frame(connectFrame({}).subarray(4), Buffer.from([0])));
      await a.welcome();
    },
  },
  {
    name: "a handshake with a password of −1 bytes",
    run: async (scene) => {
      const a = scene.dial("a");
      a.raw("a handshake with a null password", frame(int(0), long(0), int(10_000), long(0), int(-1), Buffer.from([0])));
      await a.welcome();
    },
  },
];

// ---- replies' order and numbers

const ordering: readonly Case[] = [
  alone("replies come in the order of the requests", async (a, t) => {
    a.send(
      create(`${t}/x`),
      getData(`${t}/x`),
      setData(`${t}/x`),
      getData(`${t}/x`),
      remove(`${t}/x`),
      exists(`${t}/x`),
      sync(t),
    );
    await a.replies(7);
  }),
  alone("errors come in their turn", async (a, t) => {
    a.send(create(`${t}/x/y`), create(`${t}/x`), create(`${t}/x/y`), remove(`${t}/x`), remove(`${t}/x/y`), remove(`${t}/x`));
    await a.replies(6);
  }),
  alone("a read behind writes shows them", async (a, t) => {
    const writes = Array.from({ length: 20 }, () => setData(t));
    a.send(...writes, exists(t));
    await a.replies(21);
  }),
  alone("ping", async (a) => a.do(ping())),
  ...[0, -5, -9, 2_147_483_647, -2_147_483_648].map((xid) =>
    alone(`a request with xid ${xid}`, async (a, t) => a.do({ ...exists(t), xid })),
  ),
  alone("a getData with a ping's xid", async (a, t) => a.do({ ...exists(t), xid: -2 })),
  alone("a ping with a usual xid", async (a) => a.do({ ...ping(), xid: 5 })),
  alone("an auth with a usual xid", async (a) => a.do({ ...auth("digest", "u:p"), xid: 6 })),
  alone("xids that go back", async (a, t) => {
    for (const xid of [9, 5, 5, 1]) await a.do({ ...exists(t), xid });
  }),
];

// ---- opcodes that no client may send

const unknown: readonly Case[] = [-1, 0, 10, 13, 23, 71, 99, 108, 500, 600, 2_147_483_647].map((opcode) =>
  alone(`opcode ${opcode}`, async (a, t) => {
    await a.do(create(`${t}/before`));
    a.send(raw(`opcode ${opcode}`, opcode, text(t), int(-1)), create(`${t}/behind`));
    await a.replies(1);
    if (!a.ended) await a.close();
  }),
);

// ---- bytes that make no request

const broken: readonly (readonly [name: string, bytes: readonly Buffer[]])[] = [
  ["a negative length", [int(-1)]],
  ["a length of 2 GiB", [int(0x7fff_ffff)]],
  ["a length of 16 MiB", [int(1 << 24)]],
  ["an empty frame", [frame()]],
  ["a frame of 4 bytes", [frame(int(1))]],
  ["a frame of 7 bytes", [frame(int(1), Buffer.alloc(3))]],
];

/** Reads alone: a write cut short stops a real ZooKeeper's whole pipeline, for every client, until it is restarted. */
const brokenBodies: readonly (readonly [name: string, operation: Operation])[] = [
  ["getData without a body", raw("getData", 4)],
  ["getData without its watch flag", raw("getData", 4, text("/zookeeper"))],
  ["getData with a length beyond the frame", raw("getData", 4, int(1_000), Buffer.from("/"))],
  ["getData with a length of −2", raw("getData", 4, int(-2), Buffer.from([0]))],
  ["setWatches cut short", raw("setWatches", 101, long(0), int(1))],
  ["auth cut short", raw("auth", 100, int(0), text("digest"))],
];

const malformed: readonly Case[] = [
  ...broken.map(([name, bytes]) =>
    alone(`malformed: ${name}`, async (a) => {
      a.raw(name, ...bytes);
      await a.close();
    }),
  ),
  ...brokenBodies.map(([name, operation]) =>
    alone(`malformed: ${name}`, async (a, t) => {
      await a.do(operation);
      await a.do(exists(t));
    }),
  ),
  alone("malformed: bytes behind a request's body are passed over", async (a, t) => {
    const operation = exists(t);
    await a.do({ ...operation, body: [...operation.body, int(7)] });
  }),
  alone("malformed: a boolean of 2", async (a, t) => {
    await a.do({ ...getData(t), body: [text(t), Buffer.from([2])] }, setData(t));
    await a.events();
  }),
  alone("malformed: a path that is not UTF-8", async (a, t) => {
    const path = Buffer.concat([Buffer.from(`${t}/`), Buffer.from([0xc3, 0x28])]);
    await a.do({ ...create(path), name: "create of c3 28" }, getChildren(t));
  }),
  alone("data of a million bytes", async (a, t) => {
    await a.do(create(`${t}/x`, { data: Buffer.alloc(1_000_000, 65) }), getData(`${t}/x`), exists(`${t}/x`));
  }),
  alone("a frame of 1,048,575 bytes", async (a, t) => {
    const operation = create(`${t}/x`, { data: Buffer.alloc(0) });
    const empty = frame(int(1), int(1), ...operation.body).length - 4;
    await a.do(create(`${t}/x`, { data: Buffer.alloc(1_048_575 - empty, 65) }));
  }),
  alone("a frame of 2,000,000 bytes", async (a, t) => a.do(create(`${t}/x`, { data: Buffer.alloc(2_000_000, 65) }))),
];

export const sessionCases: readonly Case[] = [
  ...newSessions.map(newSession),
  ...renewals.map(renewal),
  ...renewing,
  ...ends,
  ...expiries,
  ...pipelined,
  ...ordering,
  ...unknown,
  ...malformed,
];
