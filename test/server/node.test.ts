/** The loop: what a turn takes, in which order it performs, and how it stops. */
import t from "tap";
import { Clock } from "../../server/clock.ts";
import { Inbox } from "../../server/inbox.ts";
import { makeLogger } from "../../server/log.ts";
import { NodeLoop } from "../../server/node.ts";
import { InvariantError } from "../../src/model/assert.ts";
import type { Effects, Halt } from "../../src/replica/effects.ts";
import type { Event, Now } from "../../src/replica/event.ts";
import { stoppedStatus } from "./stopped-status.ts";
import type { WithTeardown } from "./with-teardown.ts";

const nothing: Effects = {
  peerSends: [],
  peerCloses: [],
  clientSends: [],
  clientCloses: [],
  logLines: [],
  halt: undefined,
  again: false,
};

function bench(test: WithTeardown, turn: (now: Now, events: readonly Event[], count: number) => Effects) {
  const inbox = new Inbox();
  const done: string[] = [];
  const halts: Halt[] = [];
  const turns: (readonly Event[])[] = [];
  let wake = (): void => {};
  const loop = new NodeLoop({
    inbox,
    clock: new Clock(),
    logger: makeLogger("silent", 1),
    replica: {
      turn: (now, events) => {
        turns.push(events);
        setImmediate(() => wake());
        return turn(now, events, turns.length);
      },
      status: () => stoppedStatus,
    },
    peers: {
      send: (peer, _link, message) => done.push(`peer ${peer} ${message.type}`),
      flush: () => done.push("peers flush"),
      close: (peer) => done.push(`peer close ${peer}`),
    },
    clients: {
      send: (connection, message) => done.push(`client ${connection} ${message.type}`),
      flush: () => done.push("clients flush"),
      close: (connection) => done.push(`client close ${connection}`),
    },
    onHalt: (halt) => halts.push(halt),
  });
  test.teardown(() => loop.stop());
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition())
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  return { inbox, loop, done, halts, turns, until };
}

t.test("effects are performed in order, each port flushed once a turn", async (t) => {
  const { loop, done, until, turns } = bench(t, (_now, _events, count) =>
    count > 1
      ? nothing
      : {
          ...nothing,
          peerSends: [
            { peer: 2, link: 1, message: { type: "foundAck", clusterId: "" } },
            { peer: 3, link: 1, message: { type: "foundAck", clusterId: "" } },
          ],
          peerCloses: [{ peer: 2, link: 1, reason: "" }],
          clientSends: [{ connection: 7, message: { type: "goaway", reason: "" } }],
          clientCloses: [{ connection: 7, reason: "" }],
          logLines: [{ level: "info", message: "x", fields: {} }],
        },
  );
  loop.start();
  await until(() => turns.length >= 1);
  loop.stop();
  t.same(done.slice(0, 7), [
    "peer 2 foundAck",
    "peer 3 foundAck",
    "peers flush",
    "peer close 2",
    "client 7 goaway",
    "clients flush",
    "client close 7",
  ]);
});

t.test("the inbox is closed before the clock is read; what comes during a turn is the next turn's", async (t) => {
  const late: Event = { type: "diskDone", token: 2 };
  const { inbox, loop, turns, until } = bench(t, (_now, events) => {
    if (events.some((event) => event.type === "diskDone" && event.token === 1)) inbox.push(late);
    return nothing;
  });
  loop.start();
  inbox.push({ type: "diskDone", token: 1 });
  await until(() => turns.some((events) => events.includes(late)));
  const first = turns.findIndex((events) => events.length === 1 && events[0] !== late);
  t.same(turns[first], [{ type: "diskDone", token: 1 }]);
  t.same(turns[first + 1], [late], "at once, not with the next tick");
});

t.test("turns go on without events, and at once when the core asks", async (t) => {
  const times: number[] = [];
  const { loop, turns, until } = bench(t, (now, _events, count) => {
    times.push(now.monotonicMs);
    return { ...nothing, again: count < 20 };
  });
  loop.start();
  await until(() => turns.length >= 23);
  t.ok((times[19] ?? 0) - (times[0] ?? 0) < 100, "twenty turns at once");
  t.ok((times[22] ?? 0) - (times[19] ?? 0) >= 15, "then every 10 ms");
});

t.test("an exception in a turn stops the server with exit code 70", async (t) => {
  const { loop, halts, turns, until, inbox } = bench(t, () => {
    throw new InvariantError("planted");
  });
  loop.start();
  await until(() => turns.length > 0);
  inbox.push({ type: "diskDone", token: 1 });
  await new Promise((resolve) => setTimeout(resolve, 30));
  t.same(halts, [{ exitCode: 70, reason: "planted" }]);
  t.equal(turns.length, 1, "no turn after it");
});

t.test("a halt is performed after the sends, once", async (t) => {
  const { loop, halts, done, turns, until } = bench(t, () => ({
    ...nothing,
    clientSends: [{ connection: 1, message: { type: "goaway", reason: "" } }],
    halt: { exitCode: 78, reason: "why" },
    again: true,
  }));
  loop.start();
  await until(() => turns.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 30));
  t.same(halts, [{ exitCode: 78, reason: "why" }]);
  t.same(done, ["peers flush", "client 1 goaway", "clients flush"]);
});
