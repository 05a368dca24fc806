/** Schedules of the ZooKeeper port: an old server's pending writes around an election. */
import type { Request } from "../../../src/model/request.ts";
import type { PeerMessage } from "../../../src/zab/message.ts";
import { Violation } from "../check/violation.ts";
import { createRequest } from "../create-request.ts";
import { PortClient } from "./port-client.ts";
import type { Schedule } from "./schedules.ts";
import { Stage } from "./stage.ts";

type Trace = ((line: string) => void) | undefined;

const timeoutMs = 20_000;
const set = (path: string, text: string): Request => ({ type: "setData", path, data: Buffer.from(text), version: -1 });

function stageOf(seed: number, voters: number, trace: Trace): Stage {
  return new Stage(seed, { voters, clients: 1, ...(trace === undefined ? {} : { trace }) });
}

/** 11a: X forwards a sequential create; A logs it on itself and C, and dies; C leads with it committed; X forwards it again. One node. */
function createForwardedAgain(seed: number, trace: Trace): string[] {
  const stage = stageOf(seed, 3, trace);
  const { cluster } = stage;
  stage.start(3);
  const a = stage.leaderId;
  const [c = 0, x = 0] = stage.others(a);
  const client = new PortClient(cluster, 900, x, timeoutMs).open();
  client.ask(createRequest("/q"));
  const forwarded = stage.when(
    x,
    a,
    (m) => m.type === "forward",
    () => cluster.network.block(a, x),
  );
  const logged = stage.when(
    c,
    a,
    (m: PeerMessage) => m.type === "ack" && forwarded.happened,
    () => cluster.server(a).crash(false),
  );
  const xid = client.send(createRequest("/q/", true));
  cluster.until("X's write is answered", () => client.reply(xid) !== undefined || client.closed, 10_000);
  const list = client.closed ? undefined : client.ask({ type: "getChildren", path: "/q", watch: false }).outcome.result;
  if (list?.type === "children" && list.names.length !== 1)
    throw new Violation("origins", `one create made ${list.names.join(", ")}`);
  cluster.network.unblock(a, x);
  stage.finish();
  return logged.happened && list !== undefined ? ["answered by the next leader"] : [];
}

/** 11b: the session moved from X to Y, whose write is committed; the leader dies; X's late set reaches the next leader before Y's register. */
function lateSetAfterMove(seed: number, trace: Trace): string[] {
  const stage = stageOf(seed, 5, trace);
  const { cluster } = stage;
  stage.start(3);
  const a = stage.leaderId;
  const [x = 0, y = 0] = stage.others(a);
  const before = new PortClient(cluster, 900, x, timeoutMs).open();
  before.ask(createRequest("/z"));
  cluster.isolate(x);
  before.send(set("/z", "late"));
  cluster.run(5);
  const after = new PortClient(cluster, 901, y, timeoutMs, before.session ?? 0).open();
  after.ask(set("/z", "new"));
  cluster.run(50);
  cluster.server(a).crash(false);
  for (const { id } of cluster.servers) {
    cluster.heal(x, id);
    if (id !== y) cluster.cut(y, id);
  }
  const again = stage.when(
    x,
    undefined,
    (m) => m.type === "forward",
    () => {},
  );
  const pending = !before.closed;
  cluster.until(
    "X follows another leader",
    () => cluster.server(x).status()?.serving === true && cluster.leader !== undefined && cluster.leader.id !== a,
    10_000,
  );
  cluster.run(200);
  for (const { id } of cluster.servers) if (id !== y) cluster.heal(y, id);
  stage.finish();
  const reader = new PortClient(cluster, 902, stage.leaderId, timeoutMs).open();
  const { result } = reader.ask({ type: "getData", path: "/z", watch: false }).outcome;
  const text = result.type === "data" ? Buffer.from(result.data ?? []).toString() : result.type;
  if (text !== "new") throw new Violation("session moved", `the set of the connection before landed last: ${text}`);
  return pending && again.happened ? ["X forwarded it again"] : [];
}

export const portSchedules: readonly Schedule[] = [
  {
    name: "11a a create of the ZooKeeper port is forwarded again",
    seeds: 6,
    play: createForwardedAgain,
    mustSee: ["answered by the next leader"],
  },
  {
    name: "11b a late set of a session that moved",
    seeds: 6,
    play: lateSetAfterMove,
    mustSee: ["X forwarded it again"],
  },
];
