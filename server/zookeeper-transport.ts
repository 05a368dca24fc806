/**
 * One ZooKeeper client's connection: frames in, replies out in the order of the requests. The core
 * answers a connection's requests in order, so the forms of the replies wait in a queue; what is refused
 * here, without the core, waits in the same queue for its turn.
 *
 * Invariants: a reply's form is the head of the queue; nothing is read after the request that ends the
 * connection; a renewal that fails is answered by zeros and a close, never by a new session.
 */
import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import type { AuthId } from "../src/model/acl.ts";
import { assert, InvariantError } from "../src/model/assert.ts";
import type { ServerMessage } from "../src/model/client-message.ts";
import { failure, type Outcome, okOutcome, type ReadLevel, type Request } from "../src/model/request.ts";
import type { SessionId, Zxid } from "../src/model/zxid.ts";
import type { Writer } from "../src/wire/cursor.ts";
import { FrameDecoder } from "../src/wire/frame.ts";
import {
  decodeZkConnect,
  decodeZkRequest,
  type ZkConnectRequest,
  type ZkReconfig,
  type ZkReplyForm,
  type ZkRequest,
} from "../src/wire/zookeeper-codec.ts";
import {
  encodeZkAuth,
  encodeZkConnected,
  encodeZkExpired,
  encodeZkPing,
  encodeZkReply,
  encodeZkUnimplemented,
  encodeZkWatchEvent,
} from "../src/wire/zookeeper-reply.ts";
import { type ClientConnection, type ClientConnections, type ClientTransport, identitiesOf } from "./client-connection.ts";
import type { ConnectionFacts } from "./four-letter-words.ts";
import { judgeReconfig, neverWritten, reconfigOutcome } from "./reconfig.ts";
import { RequestMeter } from "./request-meter.ts";
import { DigestMd5 } from "./sasl-digest.ts";

interface Awaited {
  /** What the core calls the request; 0: it never hears of it. */
  readonly number: number;
  readonly form: ZkReplyForm;
  /** Decided here. `unimplemented` and `closing` end the connection. */
  readonly local: Outcome | "unimplemented" | undefined;
  readonly closing: boolean;
  /** When it came. */
  readonly atMs: number;
}

type Reply = Extract<ServerMessage, { readonly type: "reply" }>;

const sessionLevel: ReadLevel = { type: "session" };
const passwordBytes = 16;
const authOpcode = 100;
const reconfigOpcode = 16;
const saslOpcode = 102;

export class ZooKeeperTransport implements ClientTransport {
  readonly #socket: Socket;
  readonly #clients: ClientConnections;
  readonly #writer: Writer;
  /** Of all connections of the port, and of this one. */
  readonly #total: RequestMeter;
  readonly #own = new RequestMeter();
  readonly #remote: string;
  readonly #openedMs = Date.now();
  readonly #connection: ClientConnection;
  readonly #decoder: FrameDecoder;
  #connect: ZkConnectRequest | undefined;
  /** In order of the requests; answered entries before `#answered` are cut off now and then. */
  #awaited: Awaited[] = [];
  #answered = 0;
  #lastNumber = 0;
  #lastZxid = 0 as Zxid;
  #deaf = false;
  #sasl: DigestMd5 | undefined;
  #session: SessionId | 0 = 0;
  #timeoutMs = 0;
  #lastForm: ZkReplyForm | undefined;
  #lastResponseMs = 0;
  /** Monotonic, sampled once for all that was read, and once for all that is written. */
  #nowMs = 0;

  /** `data` is then called with what has been read. */
  constructor(socket: Socket, remoteAddress: string, clients: ClientConnections, writer: Writer, total: RequestMeter) {
    this.#socket = socket;
    this.#clients = clients;
    this.#writer = writer;
    this.#total = total;
    this.#remote = `${remoteAddress}:${socket.remotePort ?? 0}`;
    this.#decoder = new FrameDecoder(clients.host.limits.frame_bytes_max);
    this.#connection = clients.open("zookeeper", remoteAddress, this);
    socket.on("data", (chunk: Buffer) => this.data(chunk));
    socket.on("drain", () => this.#connection.drained());
    socket.on("close", () => this.#connection.transportClosed());
  }

  // ---- from the client

  data(chunk: Uint8Array): void {
    if (this.#deaf) return;
    this.#nowMs = performance.now();
    try {
      this.#decoder.push(chunk);
      for (let frame = this.#decoder.next(); frame !== undefined && !this.#deaf; frame = this.#decoder.next()) this.#frame(frame);
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      this.#connection.abort(error instanceof Error ? error.message : String(error));
    }
  }

  #frame(frame: Uint8Array): void {
    this.#total.received += 1;
    this.#own.received += 1;
    if (this.#connect === undefined) this.#onConnect(decodeZkConnect(frame));
    else this.#onRequest(decodeZkRequest(frame, this.#clients.host.limits));
  }

  #onConnect(connect: ZkConnectRequest): void {
    this.#connect = connect;
    const { session, lastZxidSeen, password, timeoutMs } = connect;
    if (session === "unknown") return this.#refuseSession();
    // Ahead of all that we can ever have: another ensemble's client. Without a session there is nothing to tell it.
    if (lastZxidSeen === "ahead" && session === 0)
      return this.#connection.abort("the client has seen a zxid that this ensemble cannot have");
    const lastZxid = lastZxidSeen === "ahead" ? (Number.MAX_SAFE_INTEGER as Zxid) : lastZxidSeen;
    this.#connection.connect(session, password, timeoutMs, lastZxid, connect.readOnly);
  }

  #refuseSession(): void {
    this.#deaf = true;
    this.#socket.write(encodeZkExpired(this.#readOnlyByte()));
    this.#connection.end("a session of another ensemble");
  }

  #onRequest(request: ZkRequest): void {
    const { body } = request;
    switch (body.type) {
      case "ping":
        return this.#connection.receive({ type: "heartbeat", id: 0 });
      case "auth":
        return this.#ask(request, {
          type: "addAuth",
          identities: this.#identitiesOf(body.scheme, body.credentials),
        });
      case "request":
        return this.#ask(request, body.request);
      case "refused":
        return this.#answerHere(request, body.outcome, false);
      case "reconfig":
        return this.#onReconfig(request, body.asked);
      case "sasl":
        return this.#onSasl(request, body.token);
      case "unknown":
        return this.#answerHere(request, "unimplemented", true);
    }
  }

  #onReconfig(form: ZkReplyForm, asked: ZkReconfig): void {
    const { xid, opcode, path, opcodes } = form;
    this.#ask({ xid, opcode, path, opcodes, fault: judgeReconfig(asked) }, neverWritten);
  }

  /** The last token leaves with the answer to addAuth, so nothing that follows is judged without the identity. */
  #onSasl(form: ZkReplyForm, token: Uint8Array): void {
    const { saslUsers } = this.#clients.host;
    // As a ZooKeeper without SASL: no token, which its clients take for the end of it, and no identity.
    if (saslUsers.size === 0) return this.#answerHere(form, okOutcome, false);
    this.#sasl ??= new DigestMd5(saslUsers);
    const answer = this.#sasl.next(token);
    if (answer === undefined) return this.#answerHere(form, failure("AUTH_FAILED"), true);
    const { xid, opcode, path, opcodes } = form;
    if (answer instanceof Uint8Array) return this.#answerHere({ xid, opcode, path, opcodes, token: answer }, okOutcome, false);
    const identities = [{ scheme: "sasl", id: answer.user }];
    this.#ask({ xid, opcode, path, opcodes, token: answer.token }, { type: "addAuth", identities });
  }

  #identitiesOf(scheme: string, credentials: Uint8Array): readonly AuthId[] {
    return identitiesOf(scheme, credentials, this.#connection.remoteAddress, this.#clients.host.superDigest);
  }

  #ask(form: ZkReplyForm, request: Request): void {
    this.#lastNumber += 1;
    this.#awaited.push({
      number: this.#lastNumber,
      form,
      local: undefined,
      closing: request.type === "addAuth" && request.identities.length === 0,
      atMs: this.#nowMs,
    });
    this.#connection.receive({
      type: "request",
      xid: this.#lastNumber,
      request,
      level: sessionLevel,
      seq: 0,
      ackedSeq: 0,
      guards: noGuards,
      deadlineMs: 0,
    });
  }

  #answerHere(form: ZkReplyForm, local: Outcome | "unimplemented", closing: boolean): void {
    if (closing) this.#deaf = true;
    this.#awaited.push({ number: 0, form, local, closing, atMs: this.#nowMs });
    this.#writeLocal();
    this.#writeOut();
  }

  // ---- to the client

  write(messages: readonly ServerMessage[], password: Uint8Array): void {
    this.#nowMs = performance.now();
    for (const message of messages) this.#message(message, password);
    this.#writeOut();
  }

  #message(message: ServerMessage, password: Uint8Array): void {
    switch (message.type) {
      case "connected":
        this.#lastZxid = message.zxid;
        return this.#connected(message, password);
      case "refused":
        if (message.code === "SESSION_EXPIRED" || message.code === "AUTH_FAILED")
          this.#writer.raw(encodeZkExpired(this.#readOnlyByte()));
        return;
      case "reply":
        return this.#reply(message);
      case "watchEvent":
        return encodeZkWatchEvent(this.#writer, message.event);
      case "heartbeat":
        this.#lastZxid = message.zxid;
        this.#countSent();
        return encodeZkPing(this.#writer, message.zxid);
      case "goaway":
        return;
      case "stream":
        throw new InvariantError("a stream on the ZooKeeper port");
    }
  }

  #connected(message: Extract<ServerMessage, { readonly type: "connected" }>, password: Uint8Array): void {
    const { session, timeoutMs, readOnly } = message;
    this.#session = session;
    this.#timeoutMs = timeoutMs;
    this.#countSent();
    this.#writer.raw(encodeZkConnected(session, timeoutMs, fit(password), this.#readOnlyByte(readOnly)));
    this.#writeLocal();
  }

  /** Of clients that know of it; undefined: none. */
  #readOnlyByte(readOnly = false): boolean | undefined {
    return (this.#connect?.hasReadOnly ?? true) ? readOnly : undefined;
  }

  #reply(reply: Reply): void {
    const head = this.#awaited[this.#answered];
    assert(head !== undefined && head.number === reply.xid, "replies come in the order of the requests");
    this.#answered += 1;
    this.#lastZxid = reply.zxid;
    this.#countAnswer(head);
    if (head.form.opcode === authOpcode) encodeZkAuth(this.#writer, head.form.xid, reply.outcome.code === "OK");
    else if (head.form.opcode === reconfigOpcode)
      this.#encodeReply(head.form, reply.zxid, reconfigOutcome(reply.outcome, head.form.fault));
    else this.#encodeReply(head.form, reply.zxid, reply.outcome);
    if (head.closing) return this.#endAfter("authentication failed");
    this.#writeLocal();
    this.#trim();
  }

  /** What was decided here and whose turn has come. */
  #writeLocal(): void {
    for (let head = this.#awaited[this.#answered]; head?.local !== undefined; head = this.#awaited[this.#answered]) {
      this.#answered += 1;
      this.#countAnswer(head);
      if (head.local === "unimplemented") encodeZkUnimplemented(this.#writer, head.form.xid);
      else this.#encodeReply(head.form, this.#lastZxid, head.local);
      if (head.closing) return this.#endAfter(`opcode ${head.form.opcode} is not served`);
    }
  }

  /** A multi too large for its form's opcodes was refused as a whole, so the form holds for every outcome. */
  #encodeReply(form: ZkReplyForm, zxid: Zxid, outcome: Outcome): void {
    const { xid, opcode, path, opcodes, token } = form;
    const bytesMax = this.#clients.host.limits.zookeeper_reply_bytes_max;
    if (opcode !== saslOpcode) return encodeZkReply(this.#writer, { xid, opcode, path, opcodes, zxid, outcome }, bytesMax);
    encodeZkReply(
      this.#writer,
      { xid, opcode, path, opcodes, zxid: 0, outcome, ...(token === undefined ? {} : { token }) },
      bytesMax,
    );
  }

  #countSent(): void {
    this.#total.sent += 1;
    this.#own.sent += 1;
  }

  #countAnswer(answered: Awaited): void {
    this.#countSent();
    const ms = this.#nowMs - answered.atMs;
    this.#total.answered(ms);
    this.#own.answered(ms);
    this.#lastForm = answered.form;
    this.#lastResponseMs = this.#nowMs;
  }

  #endAfter(reason: string): void {
    this.#deaf = true;
    this.#writeOut();
    this.#connection.end(reason);
  }

  #writeOut(): void {
    if (this.#writer.length > 0) this.#socket.write(this.#writer.finish());
  }

  #trim(): void {
    if (this.#answered < 256 && this.#answered < this.#awaited.length) return;
    this.#awaited.splice(0, this.#answered);
    this.#answered = 0;
  }

  /** For the four-letter words. */
  facts(): ConnectionFacts {
    const form = this.#lastForm;
    return {
      remote: this.#remote,
      session: this.#session,
      timeoutMs: this.#timeoutMs,
      openedMs: this.#openedMs,
      queued: this.#awaited.length - this.#answered,
      lastOperation: form === undefined ? "NA" : (shortNames[form.opcode] ?? "NA"),
      lastXid: form?.xid ?? 0,
      lastZxid: this.#lastZxid,
      lastResponseMs: Math.round(this.#lastResponseMs),
      meter: this.#own,
    };
  }

  // ---- for the connection

  bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#deaf = true;
    this.#socket.end();
    this.#socket.resume();
  }

  destroy(): void {
    this.#deaf = true;
    this.#socket.destroy();
  }
}

/** As ZooKeeper's `cons` names operations. */
const shortNames: { readonly [opcode: number]: string } = {
  1: "CREA",
  2: "DELE",
  3: "EXIS",
  4: "GETD",
  5: "SETD",
  6: "GETA",
  7: "SETA",
  8: "GETC",
  9: "SYNC",
  11: "PING",
  12: "GETC",
  14: "MULT",
  15: "CREA",
  16: "RECO",
  17: "CHKW",
  18: "REMW",
  19: "CREA",
  21: "CREA",
  22: "MLTR",
  100: "AUTH",
  101: "SETW",
  103: "GETE",
  104: "GETC",
  105: "STW2",
  106: "ADDW",
  107: "HOMI",
  [-11]: "CLOS",
};

const noGuards: readonly never[] = [];

/** Clients offer passwords of any length, and read 16 bytes back. */
function fit(password: Uint8Array): Uint8Array {
  if (password.length === passwordBytes) return password;
  const fitted = new Uint8Array(passwordBytes);
  fitted.set(password.subarray(0, passwordBytes));
  return fitted;
}
