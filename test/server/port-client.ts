/**
 * A bare client of the ZooKeeper port, for tests of servers: its bytes are put together and taken apart here, by
 * hand, so that a mistake of our codec cannot hide. No retries, no state beyond what came.
 */
import { connect, type Socket } from "node:net";

export const openAcl: readonly AclEntry[] = [{ perms: 31, scheme: "world", id: "anyone" }];

export interface AclEntry {
  readonly perms: number;
  readonly scheme: string;
  readonly id: string;
}

export interface Stat {
  readonly czxid: number;
  readonly mzxid: number;
  readonly ctime: number;
  readonly mtime: number;
  readonly version: number;
  readonly cversion: number;
  readonly aversion: number;
  readonly owner: number;
  readonly dataLength: number;
  readonly numChildren: number;
  readonly pzxid: number;
}

/** Puts a body together. */
export class Body {
  readonly #parts: Buffer[] = [];

  int(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return this.raw(bytes);
  }

  long(value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(BigInt(value));
    return this.raw(bytes);
  }

  flag(value: boolean): this {
    return this.raw(Buffer.from([value ? 1 : 0]));
  }

  bytes(value: Uint8Array | null): this {
    return value === null ? this.int(-1) : this.int(value.length).raw(value);
  }

  text(value: string | null): this {
    return this.bytes(value === null ? null : Buffer.from(value));
  }

  texts(values: readonly string[]): this {
    this.int(values.length);
    for (const value of values) this.text(value);
    return this;
  }

  acl(entries: readonly AclEntry[]): this {
    this.int(entries.length);
    for (const { perms, scheme, id } of entries) this.int(perms).text(scheme).text(id);
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#parts.push(Buffer.from(bytes));
    return this;
  }

  build(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** A reply or a notification; the rest of its body is read from the front. */
export class Packet {
  readonly xid: number;
  readonly zxid: number;
  readonly error: number;
  readonly body: Buffer;
  #at = 0;

  constructor(frame: Buffer) {
    this.xid = frame.readInt32BE(0);
    this.zxid = Number(frame.readBigInt64BE(4));
    this.error = frame.readInt32BE(12);
    this.body = frame.subarray(16);
  }

  get left(): number {
    return this.body.length - this.#at;
  }

  int(): number {
    this.#at += 4;
    return this.body.readInt32BE(this.#at - 4);
  }

  long(): number {
    this.#at += 8;
    return Number(this.body.readBigInt64BE(this.#at - 8));
  }

  flag(): boolean {
    this.#at += 1;
    return this.body[this.#at - 1] === 1;
  }

  bytes(): Buffer | null {
    const length = this.int();
    if (length < 0) return null;
    this.#at += length;
    return this.body.subarray(this.#at - length, this.#at);
  }

  text(): string | null {
    return this.bytes()?.toString() ?? null;
  }

  texts(): string[] {
    return Array.from({ length: this.int() }, () => this.text() ?? "");
  }

  acl(): AclEntry[] {
    return Array.from({ length: this.int() }, () => ({ perms: this.int(), scheme: this.text() ?? "", id: this.text() ?? "" }));
  }

  stat(): Stat {
    const [czxid, mzxid, ctime, mtime] = [this.long(), this.long(), this.long(), this.long()];
    const [version, cversion, aversion, owner] = [this.int(), this.int(), this.int(), this.long()];
    const [dataLength, numChildren, pzxid] = [this.int(), this.int(), this.long()];
    return { czxid, mzxid, ctime, mtime, version, cversion, aversion, owner, dataLength, numChildren, pzxid };
  }

  /** Of a multi: the type of each result, with its error number or what `read` makes of its body. */
  results(): { type: number; error: number; value: unknown }[] {
    const results = [];
    for (;;) {
      const [type, done, error] = [this.int(), this.flag(), this.int()];
      if (done) return results;
      results.push({ type, error, value: this.#resultOf(type) });
    }
  }

  #resultOf(type: number): unknown {
    if (type === -1) return this.int();
    if (type === 1) return this.text();
    if (type === 15) return [this.text(), this.stat()];
    if (type === 5) return this.stat();
    if (type === 4) return [this.text(), this.stat()];
    return type === 8 ? this.texts() : undefined;
  }
}

export interface Event {
  readonly type: number;
  readonly path: string | null;
  readonly zxid: number;
}

export interface OpenOptions {
  readonly session?: number;
  readonly password?: Uint8Array;
  readonly timeoutMs?: number;
  readonly lastZxid?: number;
  readonly readOnly?: boolean;
}

export class PortClient {
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);
  #waiting: (() => void)[] = [];
  #lastXid = 0;
  readonly packets: Packet[] = [];
  /** Of the handshake's answer; 0 when the session was refused. */
  session = 0;
  timeoutMs = 0;
  readOnly = false;
  password: Buffer = Buffer.alloc(16);
  #greeted = false;
  closed = false;

  private constructor(address: string) {
    const colon = address.lastIndexOf(":");
    this.#socket = connect(Number(address.slice(colon + 1)), address.slice(0, colon));
    this.#socket.on("data", (chunk: Buffer) => this.#data(chunk));
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
  }

  /** Resolves when the handshake is answered, or the connection closed instead. */
  static async open(address: string, options: OpenOptions = {}): Promise<PortClient> {
    const client = PortClient.begin(address, options);
    await client.until(() => client.#greeted);
    return client;
  }

  /** Without waiting for the answer. */
  static begin(address: string, options: OpenOptions = {}): PortClient {
    const client = new PortClient(address);
    const body = new Body()
      .int(0)
      .long(options.lastZxid ?? 0)
      .int(options.timeoutMs ?? 10_000)
      .long(options.session ?? 0);
    client.#frame(body.bytes(options.password ?? Buffer.alloc(16)).flag(options.readOnly ?? false));
    return client;
  }

  /** The handshake was answered, be it by zeros, rather than the connection closed without a word. */
  get answered(): boolean {
    return this.#greeted;
  }

  #data(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= 4 && this.#bytes.length >= 4 + this.#bytes.readInt32BE(0)) {
      const end = 4 + this.#bytes.readInt32BE(0);
      this.#received(this.#bytes.subarray(4, end));
      this.#bytes = this.#bytes.subarray(end);
    }
    this.#wake();
  }

  #received(frame: Buffer): void {
    if (this.#greeted) {
      this.packets.push(new Packet(frame));
      return;
    }
    this.#greeted = true;
    this.timeoutMs = frame.readInt32BE(4);
    this.session = Number(frame.readBigInt64BE(8));
    this.password = Buffer.from(frame.subarray(20, 36));
    this.readOnly = frame[36] === 1;
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #frame(body: Body): void {
    const bytes = body.build();
    this.#socket.write(new Body().int(bytes.length).raw(bytes).build());
  }

  /** Waits until `condition` holds or the connection is closed. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.closed)
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
  }

  send(opcode: number, body: Body = new Body(), xid = ++this.#lastXid): number {
    this.#frame(new Body().int(xid).int(opcode).raw(body.build()));
    return xid;
  }

  async ask(opcode: number, body: Body = new Body(), xid?: number): Promise<Packet> {
    return this.reply(this.send(opcode, body, xid));
  }

  /** Replies come in the order of the requests, notifications aside. */
  async reply(xid: number): Promise<Packet> {
    await this.until(() => this.packets.some((packet) => packet.xid === xid));
    const at = this.packets.findIndex((packet) => packet.xid !== -1);
    const [packet] = at < 0 ? [] : this.packets.splice(at, 1);
    if (packet === undefined) throw new Error("closed");
    if (packet.xid !== xid) throw new Error(`reply ${packet.xid}, ${xid} is due`);
    return packet;
  }

  /** The notifications that have come, taken out. */
  events(): Event[] {
    const events = this.packets.filter((packet) => packet.xid === -1);
    for (const event of events) this.packets.splice(this.packets.indexOf(event), 1);
    return events.map((packet) => {
      const type = packet.int();
      if (packet.int() !== 3) throw new Error("an event's state must be 3, SyncConnected");
      return { type, path: packet.text(), zxid: packet.zxid };
    });
  }

  // ---- requests

  create(path: string, data: string | null = "x", flags = 0, acl = openAcl, opcode = 1): Promise<Packet> {
    return this.ask(opcode, createBody(path, data, flags, acl));
  }

  set(path: string, data: string | Uint8Array | null, version = -1): Promise<Packet> {
    return this.ask(
      5,
      new Body()
        .text(path)
        .bytes(typeof data === "string" ? Buffer.from(data) : data)
        .int(version),
    );
  }

  remove(path: string, version = -1): Promise<Packet> {
    return this.ask(2, new Body().text(path).int(version));
  }

  /** exists 3, getData 4, getChildren 8 and 12. */
  read(opcode: number, path: string, watch = false): Promise<Packet> {
    return this.ask(opcode, new Body().text(path).flag(watch));
  }

  auth(scheme: string, credentials: string): Promise<Packet> {
    return this.ask(100, new Body().int(0).text(scheme).bytes(Buffer.from(credentials)), -4);
  }

  /** multi 14 and multiRead 22. */
  multi(operations: readonly (readonly [opcode: number, body: Body])[], opcode = 14): Promise<Packet> {
    const body = new Body();
    for (const [type, operation] of operations) body.int(type).flag(false).int(-1).raw(operation.build());
    return this.ask(opcode, body.int(-1).flag(true).int(-1));
  }

  /** Drops the connection without closeSession. */
  destroy(): void {
    this.#socket.destroy();
  }
}

export function createBody(path: string, data: string | null, flags: number, acl: readonly AclEntry[] = openAcl): Body {
  return new Body().text(path).text(data).acl(acl).int(flags);
}
