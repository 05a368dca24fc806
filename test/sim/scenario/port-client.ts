/**
 * A client of the ZooKeeper port as the replica sees one: its writes have no numbers of its own, it does
 * not resend them, and a second connection of its session may stand beside the first, which nobody has
 * closed yet. Scripted by the schedules that are about such clients.
 */
import type { ServerMessage } from "../../../src/model/client-message.ts";
import type { Request } from "../../../src/model/request.ts";
import type { SessionId, Zxid } from "../../../src/model/zxid.ts";
import type { Cluster } from "../cluster.ts";
import type { Connection } from "../network.ts";

type Reply = Extract<ServerMessage, { readonly type: "reply" }>;

export class PortClient {
  readonly #cluster: Cluster;
  readonly #id: number;
  readonly #connection: Connection;
  readonly #replies = new Map<number, Reply>();
  #lastXid = 0;
  session: SessionId | undefined;
  refused = false;
  closed = false;

  /** `resume`: the session to go on with; its other connection is left as it is. */
  constructor(cluster: Cluster, id: number, server: number, timeoutMs: number, resume: SessionId | 0 = 0) {
    this.#cluster = cluster;
    this.#id = id;
    const { network, scheduler } = cluster;
    const ready = scheduler.now + 1;
    this.#connection = network.connect(id, server, ready + 1, ready);
    this.#connection.handlers[0] = {
      message: (payload) => this.#receive(payload as ServerMessage),
      lost: () => {
        this.closed = true;
      },
    };
    cluster.server(server).accept(this.#connection, 1, ready, "zookeeper");
    const passwordHash = new Uint8Array(32).fill(7);
    scheduler.at(ready + 1, () =>
      network.send(this.#connection, 0, { type: "connect", session: resume, passwordHash, timeoutMs, lastZxid: 0 as Zxid }),
    );
  }

  open(): this {
    this.#cluster.until(`client ${this.#id} of the ZooKeeper port has its session`, () => this.session !== undefined, 5_000);
    return this;
  }

  /** The request's number, for `reply`. */
  send(request: Request): number {
    this.#lastXid += 1;
    this.#cluster.network.send(this.#connection, 0, {
      type: "request",
      xid: this.#lastXid,
      request,
      level: { type: "session" },
      seq: 0,
      ackedSeq: 0,
      guards: [],
      deadlineMs: 0,
    });
    return this.#lastXid;
  }

  reply(xid: number): Reply | undefined {
    return this.#replies.get(xid);
  }

  /** Sends and waits for the answer. */
  ask(request: Request): Reply {
    const xid = this.send(request);
    this.#cluster.until(`${request.type} of client ${this.#id} is answered`, () => this.#replies.has(xid), 8_000);
    return this.#replies.get(xid) as Reply;
  }

  #receive(message: ServerMessage): void {
    if (message.type === "connected") this.session = message.session;
    else if (message.type === "refused") this.refused = true;
    else if (message.type === "reply") this.#replies.set(message.xid, message);
  }
}
