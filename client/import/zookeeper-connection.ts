/**
 * The client's side of ZooKeeper's protocol, as much of it as reading a tree takes: one TCP connection with one
 * session, requests pipelined and answered in order, one recursive watch. It does not reconnect: whoever
 * uses it must look at everything again anyway, because a persistent watch says nothing of what it missed.
 */
import { connect as connectTcp, type Socket } from "node:net";
import type { AclEntry } from "../../src/model/acl.ts";
import { ProtocolError, Reader, Writer } from "../../src/wire/cursor.ts";
import { FrameDecoder } from "../../src/wire/frame.ts";
import {
  beginFrame,
  endFrame,
  readAcl,
  readBuffer,
  readString,
  readStrings,
  writeBoolean,
  writeBuffer,
  writeString,
} from "../../src/wire/jute.ts";
import { importFailure } from "./failure.ts";

/** The connection is gone; another may be had. */
export class SourceLost extends Error {
  override readonly name = "SourceLost";
}

export interface SourceStat {
  readonly czxid: number;
  readonly mzxid: number;
  readonly aversion: number;
  readonly ephemeral: boolean;
  /** Children ever created. −1 when the counter has passed 2³⁰ and cannot be told from what is shown. */
  readonly childCreates: number;
}

export interface SourceOptions {
  readonly host: string;
  readonly port: number;
  readonly auth: readonly { readonly scheme: string; readonly credentials: Uint8Array }[];
  /** A node at or below the watched path was created, deleted or set. */
  onChange(path: string): void;
}

const opcodes = {
  exists: 3,
  getData: 4,
  getAcl: 6,
  sync: 9,
  ping: 11,
  getChildren2: 12,
  auth: 100,
  addWatch: 106,
  close: -11,
} as const;
const xids = { event: -1, ping: -2, auth: -4 } as const;
const errors = { unimplemented: -6, noNode: -101, noAuth: -102, authFailed: -115 } as const;

const sessionTimeoutMs = 30_000;
const connectMs = 10_000;
/** Of an answer: a list of very many children has many bytes. */
const frameBytesMax = 256 << 20;

interface Pending {
  readonly xid: number;
  readonly path: string;
  resolve(reader: Reader | undefined): void;
  reject(error: unknown): void;
}

export class ZooKeeperConnection {
  readonly #options: SourceOptions;
  readonly #socket: Socket;
  readonly #frames = new FrameDecoder(frameBytesMax);
  readonly #writer = new Writer();
  /** In the order of their requests; the first `#answered` are done. */
  #pending: Pending[] = [];
  #answered = 0;
  #xid = 0;
  #lastZxid = 0;
  #established: { resolve(): void; reject(error: unknown): void } | undefined;
  #lost: Error | undefined;
  #pinger: NodeJS.Timeout | undefined;
  #corked = false;
  /** Whether anything came since the last ping. */
  #heard = true;

  private constructor(options: SourceOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
  }

  /** Rejects with SourceLost when there is no ZooKeeper or it does not serve, with ImportError when it refuses `auth`. */
  static async open(options: SourceOptions): Promise<ZooKeeperConnection> {
    const socket = connectTcp(options.port, options.host);
    socket.setNoDelay(true);
    const connection = new ZooKeeperConnection(options, socket);
    const timer = setTimeout(() => connection.#lose("it does not answer"), connectMs);
    try {
      await connection.#handshake();
      await Promise.all(options.auth.map((one) => connection.#authenticate(one.scheme, one.credentials)));
    } finally {
      clearTimeout(timer);
    }
    return connection;
  }

  /** The highest zxid that the server has shown. */
  get lastZxid(): number {
    return this.#lastZxid;
  }

  get lost(): boolean {
    return this.#lost !== undefined;
  }

  // ---- requests

  /** Undefined: no such node. */
  async children(path: string): Promise<{ readonly names: readonly string[]; readonly stat: SourceStat } | undefined> {
    const r = await this.#call(opcodes.getChildren2, path, writeFalse);
    return r === undefined ? undefined : { names: readStrings(r), stat: readStat(r) };
  }

  async data(path: string): Promise<{ readonly data: Uint8Array | undefined; readonly stat: SourceStat } | undefined> {
    const r = await this.#call(opcodes.getData, path, writeFalse);
    return r === undefined ? undefined : { data: readBuffer(r)?.slice(), stat: readStat(r) };
  }

  async acl(path: string): Promise<{ readonly acl: AclEntry[]; readonly stat: SourceStat } | undefined> {
    const r = await this.#call(opcodes.getAcl, path, () => {});
    return r === undefined ? undefined : { acl: readAcl(r), stat: readStat(r) };
  }

  async sync(path: string): Promise<void> {
    await this.#call(opcodes.sync, path, () => {});
  }

  /** Every later change at or below `path` is told. False: the server is older than 3.6, and has closed the connection. */
  async watchRecursive(path: string): Promise<boolean> {
    try {
      await this.#call(opcodes.addWatch, path, (w) => w.int32(1));
      return true;
    } catch (error) {
      if (error instanceof UnknownOperation) return false;
      throw error;
    }
  }

  /** Ends the session. */
  close(): void {
    if (this.#lost === undefined && this.#established === undefined) {
      const mark = this.#begin(this.#nextXid(), opcodes.close);
      this.#end(mark);
    }
    this.#lose("it was closed");
  }

  #call(opcode: number, path: string, rest: (w: Writer) => void): Promise<Reader | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== undefined) return reject(this.#lost);
      const xid = this.#nextXid();
      this.#pending.push({ xid, path, resolve, reject });
      const mark = this.#begin(xid, opcode);
      writeString(this.#writer, path);
      rest(this.#writer);
      this.#end(mark);
    });
  }

  #nextXid(): number {
    this.#xid = this.#xid === 0x7fff_ffff ? 1 : this.#xid + 1;
    return this.#xid;
  }

  #begin(xid: number, opcode: number): number {
    const mark = beginFrame(this.#writer);
    this.#writer.int32(xid);
    this.#writer.int32(opcode);
    return mark;
  }

  #end(mark: number): void {
    endFrame(this.#writer, mark);
    this.#write();
  }

  /** What is asked for in one turn of the loop goes out in one write. */
  #write(): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(this.#writer.finish());
  }

  // ---- the session

  #handshake(): Promise<void> {
    this.#socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    this.#socket.on("error", (error) => this.#lose(error.message));
    this.#socket.on("close", () => this.#lose("it closed the connection"));
    const established = new Promise<void>((resolve, reject) => {
      this.#established = { resolve, reject };
    });
    const w = this.#writer;
    const mark = beginFrame(w);
    w.int32(0);
    w.int64(0);
    w.int32(sessionTimeoutMs);
    w.int64(0);
    writeBuffer(w, new Uint8Array(16));
    writeBoolean(w, false);
    this.#end(mark);
    return established;
  }

  #onEstablished(r: Reader): void {
    r.int32();
    const timeoutMs = r.int32();
    if (timeoutMs <= 0) throw new ProtocolError("no session was given");
    this.#pinger = setInterval(() => this.#ping(), timeoutMs / 3);
    this.#established?.resolve();
    this.#established = undefined;
  }

  #ping(): void {
    if (!this.#heard) return this.#lose("it does not answer");
    this.#heard = false;
    const mark = this.#begin(xids.ping, opcodes.ping);
    this.#end(mark);
  }

  #authenticate(scheme: string, credentials: Uint8Array): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== undefined) return reject(this.#lost);
      this.#pending.push({ xid: xids.auth, path: scheme, resolve, reject });
      const mark = this.#begin(xids.auth, opcodes.auth);
      this.#writer.int32(0);
      writeString(this.#writer, scheme);
      writeBuffer(this.#writer, credentials);
      this.#end(mark);
    });
  }

  #lose(reason: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = new SourceLost(`${this.#options.host}:${this.#options.port}: ${reason}`);
    clearInterval(this.#pinger);
    this.#socket.end();
    this.#socket.destroySoon();
    this.#established?.reject(this.#lost);
    this.#established = undefined;
    for (const pending of this.#pending.slice(this.#answered)) pending.reject(this.#lost);
    this.#pending = [];
    this.#answered = 0;
  }

  // ---- answers

  #onData(chunk: Buffer): void {
    this.#heard = true;
    try {
      this.#frames.push(chunk);
      for (let body = this.#frames.next(); body !== undefined; body = this.#frames.next()) this.#onFrame(new Reader(body));
    } catch (error) {
      this.#lose(error instanceof Error ? error.message : String(error));
    }
  }

  #onFrame(r: Reader): void {
    if (this.#established !== undefined) return this.#onEstablished(r);
    const xid = r.int32();
    const zxid = r.int64();
    const code = r.int32();
    if (Number.isFinite(zxid) && zxid > this.#lastZxid) this.#lastZxid = zxid;
    if (xid === xids.ping) return;
    if (xid === xids.event) return this.#onEvent(r);
    this.#onReply(xid, code, r);
  }

  #onEvent(r: Reader): void {
    const type = r.int32();
    r.int32();
    if (type >= 1 && type <= 3) this.#options.onChange(readString(r));
  }

  #onReply(xid: number, code: number, r: Reader): void {
    const pending = this.#pending[this.#answered];
    if (pending === undefined || pending.xid !== xid) throw new ProtocolError(`an answer to the unknown request ${xid}`);
    this.#answered += 1;
    if (this.#answered === this.#pending.length || this.#answered >= 4_096) {
      this.#pending = this.#pending.slice(this.#answered);
      this.#answered = 0;
    }
    if (code === 0) pending.resolve(r);
    else if (code === errors.noNode) pending.resolve(undefined);
    else pending.reject(refusal(code, pending.path));
  }
}

class UnknownOperation extends Error {}

function refusal(code: number, path: string): Error {
  if (code === errors.unimplemented) return new UnknownOperation();
  if (code === errors.noAuth)
    return importFailure(
      `the source does not let us read ${path}; authenticate, best as its super user (--source-auth digest:super:PASSWORD)`,
    );
  if (code === errors.authFailed) return importFailure(`the source refuses the credentials for the scheme ${path}`);
  return importFailure(`the source answers ${path} with the error ${code}`);
}

function writeFalse(w: Writer): void {
  writeBoolean(w, false);
}

function readStat(r: Reader): SourceStat {
  const czxid = r.int64();
  const mzxid = r.int64();
  r.raw(20); // ctime, mtime, version
  const cversion = r.int32();
  const aversion = r.int32();
  const ephemeral = r.int64() !== 0;
  r.int32();
  const numChildren = r.int32();
  // Shown are creates and deletes together: twice the creates, less the children that are left.
  const childCreates = cversion < 0 ? -1 : (cversion + numChildren) / 2;
  return { czxid, mzxid, aversion, ephemeral, childCreates };
}
