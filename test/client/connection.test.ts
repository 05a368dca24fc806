/** The client's state machine by event scripts: sessions and their deadlines, resume, and what becomes of calls. */
import t from "tap";
import { must } from "../../src/model/assert.ts";
import type { SessionId } from "../../src/model/zxid.ts";
import { connected, get, Harness, sessionId, set, timeoutMs, validForMs, zxid } from "./harness.ts";

function ready(options: ConstructorParameters<typeof Harness>[0] = {}): Harness {
  const h = new Harness(options);
  h.start();
  h.connect();
  return h;
}

t.test("a session is opened, then calls that waited are sent, in order and numbered", async (t) => {
  const h = new Harness();
  h.start();
  const calls = [h.call(set("/a")), h.call(get("/a")), h.call(set("/b"))];
  const connect = h.connect();
  t.match(connect, { session: 0, timeoutMs, lastZxid: 0 });
  const sent = h.takeRequests();
  t.same(
    sent.map((r) => [r.request.type, r.seq, r.ackedSeq]),
    [
      ["setData", 1, 0],
      ["getData", 0, 0],
      ["setData", 2, 0],
    ],
  );
  for (const request of sent) h.reply(request);
  t.same(
    calls.map((call) => h.result(call)),
    ["OK", "OK", "OK"],
  );
  h.call(set("/c"));
  t.match(h.takeRequests(), [{ seq: 3, ackedSeq: 2 }]);
});

t.test("replies out of order move ackedSeq only to the first gap", async (t) => {
  const h = ready();
  h.call(set("/a"));
  h.call(set("/b"));
  const [first, second] = h.takeRequests();
  h.reply(second);
  h.call(set("/c"));
  t.match(h.takeRequests(), [{ seq: 3, ackedSeq: 0 }]);
  h.reply(first);
  h.call(set("/d"));
  t.match(h.takeRequests(), [{ seq: 4, ackedSeq: 2 }]);
});

t.test(
  "a lost connection: resumed elsewhere with id and password, unanswered calls sent again in order with the same seqs",
  async (t) => {
    const h = ready();
    const calls = [h.call(set("/a")), h.call(set("/b")), h.call(get("/b")), h.call(set("/c"))];
    const before = h.takeRequests();
    const host = h.host;
    h.reply(before[0], undefined, 120);
    h.lose();
    t.same(h.states, ["connected", "suspended"]);
    const resumed = h.connect({ lastSeq: 2 });
    t.not(h.host, host, "another server");
    t.same(resumed.password, Uint8Array.of(1, 2, 3));
    t.match(resumed, { session: sessionId, lastZxid: 120 });
    const after = h.takeRequests();
    t.same(
      after.map((r) => [r.request.type, r.seq]),
      [
        ["setData", 2],
        ["getData", 0],
        ["setData", 3],
      ],
    );
    t.ok(
      after.every((r) => before.every((old) => old.xid !== r.xid)),
      "with new xids",
    );
    for (const request of after) h.reply(request);
    t.same(
      calls.map((call) => h.result(call)),
      ["OK", "OK", "OK", "OK"],
    );
  },
);

t.test("answers of an earlier transport are ignored", async (t) => {
  const h = ready();
  const call = h.call(set("/a"));
  const [request] = h.takeRequests();
  const old = must(h.transport, "open");
  h.lose();
  h.connect();
  h.step({
    type: "transportMessages",
    transport: old,
    messages: [
      {
        type: "reply",
        xid: must(request, "sent").xid,
        requestType: "setData",
        zxid: zxid(9),
        outcome: { code: "NO_NODE", detail: "", result: { type: "none" } },
        level: "linearizable",
      },
    ],
  });
  t.equal(h.result(call), undefined);
});

t.test(
  "a gap after OVERLOADED: nothing new is sent, everything from the gap on goes again in order, reads behind it too",
  async (t) => {
    const h = ready();
    const calls = [h.call(set("/5")), h.call(set("/6")), h.call(get("/6")), h.call(set("/7"))];
    const [five, six, read, seven] = h.takeRequests();
    h.refuse(five, "OVERLOADED");
    h.refuse(six, "OUT_OF_ORDER", "1");
    h.reply(read);
    h.refuse(seven, "OUT_OF_ORDER", "1");
    t.equal(h.result(calls[2] ?? 0), undefined, "a read that overtook its session's write is not answered");
    calls.push(h.call(set("/8")));
    t.same(h.takeRequests(), [], "held while there is a gap");
    h.pass(20);
    const again = h.takeRequests();
    t.same(
      again.map((r) => [r.request.type, r.seq]),
      [
        ["setData", 1],
        ["setData", 2],
        ["getData", 0],
        ["setData", 3],
        ["setData", 4],
      ],
    );
    for (const request of again) h.reply(request);
    t.same(
      calls.map((call) => h.result(call)),
      ["OK", "OK", "OK", "OK", "OK"],
    );
  },
);

t.test("the back-off after refusals grows and honours what the server asks for", async (t) => {
  const h = ready();
  h.call(set("/a"));
  let waits: number[] = [];
  for (let i = 0; i < 4; i += 1) {
    const [request] = h.takeRequests();
    h.refuse(request, "OVERLOADED");
    const start = h.nowMs;
    h.pass(must(h.wakeAtMs, "a resend is planned") - h.nowMs);
    waits = [...waits, h.nowMs - start];
  }
  t.ok(
    waits.every((wait, i) => i === 0 || wait > (waits[i - 1] ?? 0)),
    `${waits}`,
  );
  h.refuse(h.takeRequests()[0], "OVERLOADED", "600");
  t.equal(must(h.wakeAtMs, "planned") - h.nowMs, 450);
});

t.test("given up", async (t) => {
  t.test("while waiting, never sent: failed for certain, and consumes no seq", async (t) => {
    const h = new Harness();
    h.start();
    const call = h.call(set("/a"), 100);
    h.pass(200);
    t.equal(h.result(call), "TIMEOUT failed");
    h.connect();
    h.call(set("/b"));
    t.match(h.takeRequests(), [{ seq: 1 }]);
  });

  t.test("in flight: unknown; its seq goes as a skip over the next connection", async (t) => {
    const h = ready();
    const call = h.call(set("/a"));
    h.takeRequests();
    h.step({ type: "abort", call });
    t.equal(h.result(call), "ABORTED unknown");
    t.same(h.takeRequests(), [], "the answer under way serves");
    h.call(set("/b"));
    h.takeRequests();
    h.lose();
    h.connect();
    t.match(h.takeRequests(), [
      { seq: 1, request: { type: "skip" } },
      { seq: 2, request: { type: "setData" } },
    ]);
  });

  t.test("refused and not in doubt: failed for certain; the skip lets later seqs pass", async (t) => {
    const h = ready();
    const call = h.call(set("/7"));
    const later = h.call(set("/8"));
    const [seven, eight] = h.takeRequests();
    h.refuse(seven, "OVERLOADED");
    h.refuse(eight, "OUT_OF_ORDER");
    h.step({ type: "abort", call });
    t.equal(h.result(call), "ABORTED failed");
    h.pass(20);
    const [skip, again] = h.takeRequests();
    t.match(skip, { seq: 1, request: { type: "skip" } });
    h.reply(skip);
    h.reply(again);
    t.equal(h.result(later), "OK");
    h.call(set("/9"));
    t.match(h.takeRequests(), [{ seq: 3, ackedSeq: 2 }]);
  });

  t.test("refused after a connection broke under it: a copy may be on its way, unknown", async (t) => {
    const h = ready();
    const call = h.call(set("/a"), 5_000);
    h.takeRequests();
    h.lose();
    h.connect();
    h.refuse(h.takeRequests()[0], "OVERLOADED");
    h.step({ type: "abort", call });
    t.equal(h.result(call), "ABORTED unknown");
  });

  t.test("NO_QUORUM proves nothing", async (t) => {
    const h = ready();
    const call = h.call(set("/a"), 2_000);
    h.refuse(h.takeRequests()[0], "NO_QUORUM");
    t.equal(h.result(call), undefined, "asked again until the deadline");
    h.pass(20);
    t.match(h.takeRequests(), [{ seq: 1 }]);
    h.step({ type: "abort", call });
    t.equal(h.result(call), "ABORTED unknown");
  });

  t.test("a read fails, and its late answer is ignored", async (t) => {
    const h = ready();
    const call = h.call(get("/a"), 50);
    const [request] = h.takeRequests();
    h.pass(100);
    t.equal(h.result(call), "TIMEOUT failed");
    h.reply(request);
    t.equal(h.notices.filter((notice) => notice.type === "replied").length, 0);
  });
});

t.test("a full disk is told at once, and a skip takes the seq", async (t) => {
  const h = ready();
  const call = h.call(set("/a"));
  h.refuse(h.takeRequests()[0], "READ_ONLY");
  t.equal(h.result(call), "READ_ONLY");
  h.pass(20);
  t.match(h.takeRequests(), [{ seq: 1, request: { type: "skip" } }]);
});

t.test("deadlines of a session", async (t) => {
  t.test("count from the send time of connect", async (t) => {
    const h = new Harness();
    h.start();
    h.opened();
    const sentMs = h.nowMs;
    h.nowMs += 700;
    h.receive(connected);
    t.equal(h.connection.validUntilMs, sentMs + validForMs);
  });

  t.test("move with confirmed heartbeats only, from their send time; one every third of the timeout", async (t) => {
    const h = ready();
    const connectedAt = h.nowMs;
    h.takeSent();
    h.pass(timeoutMs / 3);
    const [heartbeat] = h.takeSent();
    t.equal(heartbeat?.type, "heartbeat");
    t.equal(h.nowMs - connectedAt, timeoutMs / 3);
    const sentMs = h.nowMs;
    h.call(get("/a"));
    h.reply(h.takeRequests()[0]);
    t.equal(h.connection.validUntilMs, connectedAt + validForMs, "an answer proves nothing");
    h.nowMs += 400;
    h.receive({ type: "heartbeat", id: heartbeat?.type === "heartbeat" ? heartbeat.id : 0, validForMs, zxid: zxid(60) });
    t.equal(h.connection.validUntilMs, sentMs + validForMs);
  });

  t.test("a hidden tab whose timers sleep sends its heartbeat when the server reminds it", async (t) => {
    const h = ready();
    h.takeSent();
    h.nowMs += timeoutMs / 2;
    h.receive({ type: "heartbeat", id: 0, validForMs: 0, zxid: zxid(60) });
    t.same(
      h.takeSent().map(({ type }) => type),
      ["heartbeat"],
    );
    t.equal(h.connection.validUntilMs, 1_000 + validForMs, "a reminder confirms nothing");
    h.receive({ type: "heartbeat", id: 0, validForMs: 0, zxid: zxid(60) });
    t.same(h.takeSent(), [], "one is on its way");
  });

  t.test("an unanswered heartbeat ends the connection after a third of the timeout", async (t) => {
    const h = ready();
    h.pass((timeoutMs * 2) / 3 - 1);
    t.same(h.states, ["connected"]);
    h.pass(1);
    t.same(h.states, ["connected", "suspended"]);
  });

  t.test("suspended tells the deadline, and there it is lost by our own clock: sent writes unknown, others failed", async (t) => {
    const h = ready({ outstandingMax: 1 });
    const calls = [h.call(set("/a")), h.call(set("/b")), h.call(get("/a"))];
    h.lose();
    const suspended = h.notices.find((notice) => notice.type === "state" && notice.state.type === "suspended");
    t.match(suspended, { state: { validUntilMs: 1_000 + validForMs } });
    h.pass(validForMs - 1);
    t.same(h.states, ["connected", "suspended"]);
    h.pass(1);
    t.same(h.states, ["connected", "suspended", "lost", "connecting"]);
    t.same(
      calls.map((call) => h.result(call)),
      ["SESSION_EXPIRED unknown", "SESSION_EXPIRED failed", "SESSION_EXPIRED failed"],
    );
  });

  t.test("an answer that was there before the deadline is looked at first", async (t) => {
    const h = ready();
    h.pass(timeoutMs / 3);
    const [heartbeat] = h.takeSent();
    h.nowMs += 5_900;
    h.receive({ type: "heartbeat", id: heartbeat?.type === "heartbeat" ? heartbeat.id : 0, validForMs, zxid: zxid(60) });
    t.same(h.states, ["connected"]);
  });
});

t.test("lost when the server says so; then a new session with seqs from 1 and the same lastZxid", async (t) => {
  const h = ready();
  h.call(set("/a"));
  h.reply(h.takeRequests()[0], undefined, 500);
  h.lose();
  h.pass(must(h.wakeAtMs, "retry") - h.nowMs);
  h.opened();
  h.receive({ type: "refused", code: "SESSION_EXPIRED", detail: "" });
  t.same(h.states, ["connected", "suspended", "lost", "connecting"]);
  const call = h.call(set("/b"));
  const connect = h.connect({ session: 99 as SessionId });
  t.match(connect, { session: 0, lastZxid: 500 });
  const [request] = h.takeRequests();
  t.match(request, { seq: 1, ackedSeq: 0 });
  h.reply(request);
  t.equal(h.result(call), "OK");
});

t.test("without reopen, a lost session ends the client's calls", async (t) => {
  const h = ready({ reopen: false });
  h.lose();
  h.pass(validForMs);
  t.same(h.states, ["connected", "suspended", "lost"]);
  t.equal(h.result(h.call(set("/a"))), "SESSION_EXPIRED failed");
  t.equal(h.wakeAtMs, undefined);
});

t.test("an inherited session goes on after the last seq of its former owner", async (t) => {
  const h = new Harness({ session: { id: sessionId, password: Uint8Array.of(9) } });
  h.start();
  h.call(set("/a"));
  t.match(h.connect({ lastSeq: 41, ackedSeq: 40 }), { session: sessionId });
  t.match(h.takeRequests(), [{ seq: 42, ackedSeq: 41 }]);
});

t.test("another client that writes in our session takes it from us", async (t) => {
  const h = ready();
  h.lose();
  h.connect({ lastSeq: 3 });
  t.ok(h.states.includes("lost"));
});

t.test("no tight loop: servers that accept and close cost growing waits", async (t) => {
  const h = new Harness();
  h.start();
  for (let i = 0; i < 400; i += 1) {
    if (h.transport === undefined) h.pass(must(h.wakeAtMs, "retry") - h.nowMs);
    else h.lose();
  }
  t.ok(h.dials < 210 && h.nowMs > 100_000, `${h.dials} dials in ${h.nowMs} ms`);
});

t.test("GOAWAY: answers in flight are awaited, then another server at once", async (t) => {
  const h = ready();
  const call = h.call(set("/a"));
  const [request] = h.takeRequests();
  const { host, dials } = h;
  h.receive({ type: "goaway", reason: "restart" });
  const later = h.call(set("/b"));
  t.same(h.takeRequests(), [], "nothing new");
  h.reply(request);
  t.equal(h.result(call), "OK");
  t.equal(h.dials, dials + 1);
  t.not(h.host, host);
  h.connect({ lastSeq: 1 });
  h.reply(h.takeRequests()[0]);
  t.equal(h.result(later), "OK");
});

t.test("bounded: beyond the window calls wait, beyond the queue they are refused here", async (t) => {
  const h = ready({ outstandingMax: 2, queuedMax: 3 });
  const calls = Array.from({ length: 6 }, (_, i) => h.call(set(`/${i}`)));
  const sent = h.takeRequests();
  t.equal(sent.length, 2);
  t.equal(h.result(calls[5] ?? 0), "OVERLOADED failed");
  h.reply(sent[0]);
  t.equal(h.takeRequests().length, 1);
});

t.test("close", async (t) => {
  t.test("ends the session behind what is in flight", async (t) => {
    const h = ready();
    const call = h.call(set("/a"));
    h.step({ type: "close", keepSession: false });
    const [write, close] = h.takeRequests();
    t.match(close, { seq: 2, request: { type: "closeSession" } });
    h.reply(write);
    h.reply(close);
    t.equal(h.result(call), "OK");
    t.same(h.states, ["connected", "closed"]);
    t.equal(h.transport, undefined);
    t.equal(h.result(h.call(set("/b"))), "CLOSED failed");
  });

  t.test("does not wait for ever", async (t) => {
    const h = ready();
    const call = h.call(set("/a"));
    h.step({ type: "close", keepSession: false });
    h.pass(3_000);
    t.same(h.states, ["connected", "closed"]);
    t.equal(h.result(call), "CLOSED unknown");
  });
});

t.test("credentials are sent again on every connection, before anything else", async (t) => {
  const h = ready();
  h.call({ type: "addAuth", scheme: "digest", credentials: Uint8Array.of(1) });
  h.reply(h.takeRequests()[0]);
  h.call(set("/a"));
  h.takeRequests();
  h.lose();
  h.connect();
  t.same(
    h.takeRequests().map((r) => r.request.type),
    ["addAuth", "setData"],
  );
});

t.test("one-shot watches", async (t) => {
  t.test("are armed again with the last zxid that a reply showed, until setWatches is answered", async (t) => {
    const h = ready();
    h.call(get("/a", true));
    h.call({ type: "exists", path: "/b", watch: true });
    h.call({ type: "getChildren", path: "/c", watch: true });
    const [a, b, c] = h.takeRequests();
    h.reply(a, undefined, 200);
    h.refuse(b, "NO_NODE");
    h.reply(c, undefined, 210);
    h.subscribe();
    const stream = h.takeRequests()[0];
    h.reply(stream);
    h.receive({ type: "stream", delivery: { type: "changes", stream: 1, zxid: zxid(900), changes: [] } });
    h.receive({ type: "watchEvent", event: { type: "nodeCreated", path: "/b", zxid: zxid(901) } });
    h.lose();
    const connect = h.connect();
    t.equal(connect.lastZxid, 901);
    const expected = {
      type: "setWatches",
      relativeZxid: 210,
      data: ["/a"],
      exist: [],
      child: ["/c"],
      persistent: [],
      persistentRecursive: [],
    };
    t.same(h.takeRequests()[0]?.request, expected);
    h.call(get("/z"));
    h.reply(
      h.takeRequests().find((r) => r.request.type === "getData"),
      undefined,
      1_000,
    );
    h.lose();
    h.connect();
    const [again] = h.takeRequests();
    t.same(again?.request, expected, "not answered: compared with the same zxid");
    h.reply(again, undefined, 1_001);
    h.lose();
    h.connect();
    t.match(h.takeRequests()[0]?.request, { type: "setWatches", relativeZxid: 1_000 });
  });

  t.test("fire once, before the reply that shows the change", async (t) => {
    const h = ready();
    h.call(get("/a", true));
    h.reply(h.takeRequests()[0]);
    const call = h.call(get("/a"));
    const [request] = h.takeRequests();
    const event = { type: "nodeDataChanged", path: "/a", zxid: zxid(300) } as const;
    h.receive({ type: "watchEvent", event }, { type: "watchEvent", event });
    h.reply(request, undefined, 300);
    const told = h.notices.filter(
      (notice) => notice.type === "watchEvent" || (notice.type === "replied" && notice.call === call),
    );
    t.match(told, [{ type: "watchEvent", kinds: ["data"] }, { type: "replied" }]);
    t.equal(told.length, 2);
  });

  t.test("end with their session", async (t) => {
    const h = ready();
    h.call(get("/a", true));
    h.reply(h.takeRequests()[0]);
    h.lose();
    h.pass(validForMs);
    t.equal(h.notices.filter((notice) => notice.type === "watchesLost").length, 1);
    h.connect({ session: 99 as SessionId });
    t.same(h.takeRequests(), []);
  });
});

t.test("streams", async (t) => {
  const entry = { path: "/s", stat: undefined as never, data: undefined };
  const change = { type: "created", path: "/s/a", zxid: zxid(310), acl: 0, stat: undefined, data: undefined } as const;

  t.test("go on at the zxid where deliveries stopped, under a new number", async (t) => {
    const h = ready();
    h.subscribe();
    const [first] = h.takeRequests();
    t.match(first?.request, { type: "subscribe", stream: 1, fromZxid: undefined });
    h.reply(first);
    h.receive({ type: "stream", delivery: { type: "snapshot", stream: 1, zxid: zxid(300), done: true, entries: [entry] } });
    h.receive({ type: "stream", delivery: { type: "changes", stream: 1, zxid: zxid(310), changes: [change] } });
    h.lose();
    h.connect();
    t.match(h.takeRequests()[0]?.request, { type: "subscribe", stream: 2, fromZxid: 310 });
    h.receive({ type: "stream", delivery: { type: "changes", stream: 1, zxid: zxid(320), changes: [change] } });
    t.equal(h.notices.filter((notice) => notice.type === "streamDelivery").length, 2, "the old number is nobody's");
  });

  t.test("a snapshot that was cut begins anew, and says so", async (t) => {
    const h = ready();
    h.subscribe();
    h.reply(h.takeRequests()[0]);
    h.receive({ type: "stream", delivery: { type: "snapshot", stream: 1, zxid: zxid(300), done: false, entries: [entry] } });
    h.lose();
    h.connect();
    t.match(h.takeRequests()[0]?.request, { fromZxid: undefined });
    t.equal(h.notices.filter((notice) => notice.type === "streamReset").length, 1);
  });

  t.test("COMPACTED: the other servers are asked first, then it is an error or a new snapshot", async (t) => {
    for (const onCompacted of ["error", "snapshot"] as const) {
      const h = ready();
      h.subscribe({ fromZxid: zxid(20), onCompacted });
      const hosts = new Set<number>();
      for (let i = 0; i < 3; i += 1) {
        const [request] = h.takeRequests();
        t.match(request?.request, { fromZxid: 20 });
        hosts.add(h.host);
        h.refuse(request, "COMPACTED", "90");
        if (i < 2) h.connect();
      }
      t.equal(hosts.size, 3);
      if (onCompacted === "snapshot") t.match(h.takeRequests()[0]?.request, { fromZxid: undefined });
      else t.match(h.notices.at(-1), { type: "streamEnded", code: "COMPACTED", detail: "90" });
    }
  });

  t.test("SLOW_CONSUMER: resumed; a paused one is left and resumed where it stopped", async (t) => {
    const h = ready();
    h.subscribe();
    h.reply(h.takeRequests()[0]);
    h.receive({ type: "stream", delivery: { type: "snapshot", stream: 1, zxid: zxid(300), done: true, entries: [] } });
    h.receive({ type: "stream", delivery: { type: "end", stream: 1, code: "SLOW_CONSUMER", detail: "" } });
    h.pass(100);
    t.match(h.takeRequests()[0]?.request, { type: "subscribe", stream: 2, fromZxid: 300 });
    h.step({ type: "pauseStream", subscription: 1 });
    t.match(h.takeRequests()[0]?.request, { type: "unsubscribe", stream: 2 });
    h.lose();
    h.connect();
    t.same(h.takeRequests(), []);
    h.step({ type: "resumeStream", subscription: 1 });
    t.match(h.takeRequests()[0]?.request, { type: "subscribe", fromZxid: 300 });
  });
});
