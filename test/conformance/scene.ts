/**
 * One case's run against a server: its clients, and the transcript of all they sent and were told.
 *
 * What differs from run to run is replaced when the transcript ends: zxids that belong to changes by their
 * rank among the transcript's own (z1, z2 …), a read's zxid by whether it is as new as all that was seen,
 * session ids by their client's label, times by what must hold between them, the case's own node by /t.
 */
import { RawConnection, type Received } from "./connection.ts";
import { bool, buffer, frame, int, JuteReader, long } from "./jute.ts";
import { auth, closeSession, errorName, type Operation, ping } from "./operations.ts";

export interface ConnectOptions {
  readonly timeoutMs?: number;
  readonly session?: bigint;
  readonly password?: Buffer;
  readonly lastZxid?: bigint;
  /** Undefined: the 44-byte form of older clients. */
  readonly readOnly?: boolean | undefined;
  readonly protocolVersion?: number;
}

const eventNames = ["?", "NodeCreated", "NodeDeleted", "NodeDataChanged", "NodeChildrenChanged"];
const noPassword = Buffer.alloc(16);

export function connectFrame(options: ConnectOptions): Buffer {
  const parts = [
    int(options.protocolVersion ?? 0),
    long(options.lastZxid ?? 0n),
    int(options.timeoutMs ?? 10_000),
    long(options.session ?? 0n),
    buffer(options.password ?? noPassword),
  ];
  if (!("readOnly" in options && options.readOnly === undefined)) parts.push(bool(options.readOnly ?? false));
  return frame(...parts);
}

export class SceneClient {
  readonly label: string;
  readonly #scene: Scene;
  readonly connection: RawConnection;
  readonly #sent: { readonly xid: number; readonly operation: Operation }[] = [];
  #lastXid = 0;
  /** Bodies tell of more than this case: only that there was one is said. */
  masked = false;
  session = 0n;
  password: Buffer = noPassword;
  /** The newest that a reply told. */
  lastZxid = 0n;
  ended = false;

  constructor(scene: Scene, label: string, address: string) {
    this.#scene = scene;
    this.label = label;
    this.connection = new RawConnection(address);
  }

  say(line: string): void {
    this.#scene.say(`${this.label}: ${line}`);
  }

  /** Sends the handshake alone. */
  hello(options: ConnectOptions = {}): void {
    this.connection.write(connectFrame(options));
  }

  /** Reads the handshake's answer; with `quiet` it is not part of the transcript. */
  async welcome(quiet = false): Promise<void> {
    const answer = await this.connection.frame();
    if (typeof answer === "string") {
      this.ended = true;
      return this.say(`connect → ${answer}`);
    }
    const r = new JuteReader(answer);
    const [version, timeoutMs, session, password] = [r.int(), r.int(), r.long(), r.buffer() ?? noPassword];
    if (session === 0n) this.ended = true;
    this.session = session;
    this.password = Buffer.from(password);
    if (session !== 0n) this.#scene.name(session, this.label);
    const secret = password.every((byte) => byte === 0) ? "zeros" : `${password.length} secret bytes`;
    const tail = r.left === 0 ? "no readOnly" : `readOnly ${r.bool()}`;
    if (!quiet) this.say(`connect → version ${version} timeout ${timeoutMs} session {s${session}} ${secret} ${tail}${rest(r)}`);
  }

  /** What another client offers to go on with this session. */
  get credentials(): ConnectOptions {
    return { session: this.session, password: this.password };
  }

  /** Bytes that are no request of ours. */
  raw(name: string, ...bytes: readonly Buffer[]): void {
    this.say(`sends ${name}`);
    this.connection.write(Buffer.concat(bytes));
  }

  /** The TCP connection breaks; the session stays. */
  drop(): void {
    this.ended = true;
    this.connection.destroy();
  }

  /** Writes the requests in one piece. */
  send(...operations: readonly Operation[]): void {
    const frames = operations.map((operation) => {
      const xid = operation.xid ?? (this.#lastXid += 1);
      this.#sent.push({ xid, operation });
      return frame(int(xid), int(operation.opcode), ...operation.body);
    });
    this.connection.write(Buffer.concat(frames));
  }

  async do(...operations: readonly Operation[]): Promise<void> {
    for (const operation of operations) {
      this.send(operation);
      await this.replies(1);
    }
  }

  /** Performs without a line in the transcript, but for what was not asked for: setting up. */
  async quietly(...operations: readonly Operation[]): Promise<void> {
    this.send(...operations);
    for (const _ of operations) {
      const received = await this.#next();
      if (typeof received === "string") return this.say(`setting up → ${received}`);
      const sent = this.#sent.shift();
      if (received.zxid > 0n) this.lastZxid = received.zxid;
      if (received.error !== 0) this.say(`setting up: ${sent?.operation.name} → ${errorName(received.error)}`);
    }
  }

  /** Reads `count` replies into the transcript, and the events that come before each. */
  async replies(count: number): Promise<void> {
    for (let i = 0; i < count && !this.ended; i += 1) {
      const received = await this.#next();
      const sent = this.#sent.shift();
      if (typeof received === "string") return this.#noReply(sent?.operation, received);
      this.#reply(received, sent);
    }
  }

  /** The events that have come so far. */
  async events(): Promise<void> {
    const operation = ping();
    this.send(operation);
    const received = await this.#next();
    this.#sent.shift();
    if (typeof received === "string") this.#noReply(undefined, received);
    else if (received.xid !== -2) this.say(`a ping's reply has xid ${received.xid}`);
  }

  /** The next event, whenever it comes. */
  async event(): Promise<void> {
    const received = await this.connection.receive();
    if (typeof received === "string") return this.#noReply(undefined, received);
    if (received.xid === -1) this.#event(received);
    else this.say(`xid ${received.xid} instead of an event`);
  }

  /** Until the server closes. */
  async close(): Promise<void> {
    const received = await this.#next();
    this.say(`→ ${typeof received === "string" ? received : `xid ${received.xid} error ${received.error}`}`);
    this.ended = true;
  }

  async authenticate(credentials: string): Promise<void> {
    await this.quietly(auth("digest", credentials));
  }

  #noReply(operation: Operation | undefined, what: string): void {
    this.ended = true;
    this.say(`${operation === undefined ? "" : `${operation.name} `}→ ${what}`);
  }

  async #next(): Promise<Received | "closed" | "nothing"> {
    for (;;) {
      const received = await this.connection.receive();
      if (typeof received === "string" || received.xid !== -1) return received;
      this.#event(received);
    }
  }

  #event({ zxid, error, body }: Received): void {
    const [type, state, path] = [body.int(), body.int(), body.text()];
    const name = eventNames[type] ?? `event ${type}`;
    const odd = state === 3 && error === 0 ? "" : ` state ${state} error ${error}`;
    this.say(`  ! ${name} ${path} at {${this.#catchingUp() ? "c" : "e"}${zxid}}${odd}${rest(body)}`);
  }

  /** Events in answer to setWatches, which no write of the moment caused. */
  #catchingUp(): boolean {
    const opcode = this.#sent[0]?.operation.opcode;
    return opcode === 101 || opcode === 105;
  }

  #reply(received: Received, sent: { readonly xid: number; readonly operation: Operation } | undefined): void {
    if (sent === undefined) return this.say(`→ a reply that nobody asked for, xid ${received.xid}`);
    const { operation, xid } = sent;
    if (received.zxid > 0n) this.lastZxid = received.zxid;
    const body = received.body.left === 0 ? "" : ` ${this.#body(operation, received)}`;
    const strange = received.xid === xid ? "" : ` with xid ${received.xid} instead of ${xid}`;
    const mark = operation.kind === "write" ? "w" : "r";
    this.say(
      `${operation.name} → ${errorName(received.error)} at {${mark}${received.zxid}}${strange}${body}${rest(received.body)}`,
    );
  }

  #body(operation: Operation, { body, error }: Received): string {
    if (error !== 0) return `${body.left} bytes after an error`;
    if (this.masked) return maskedBody(operation, body);
    try {
      return operation.read(body);
    } catch (problem) {
      return `unreadable: ${problem instanceof Error ? problem.message : problem}`;
    }
  }
}

function maskedBody(operation: Operation, body: JuteReader): string {
  operation.read(body);
  return "…";
}

function rest(r: JuteReader): string {
  return r.left === 0 ? "" : ` +${r.left} bytes`;
}

export class Scene {
  readonly addresses: readonly string[];
  /** The case's own node; exists when the case begins. */
  readonly base: string;
  readonly #lines: string[] = [];
  readonly #labels = new Map<bigint, string>();
  readonly #clients: SceneClient[] = [];

  constructor(addresses: readonly string[], base: string) {
    this.addresses = addresses;
    this.base = base;
  }

  say(line: string): void {
    this.#lines.push(line);
  }

  /** Where no order is promised. */
  sortLast(count: number): void {
    this.#lines.push(...this.#lines.splice(-count).sort());
  }

  /** A session's first label stays. */
  name(session: bigint, label: string): void {
    if (!this.#labels.has(session)) this.#labels.set(session, label);
  }

  /** A connection without a session. `server`: index of the address. */
  dial(label: string, server = 0): SceneClient {
    const client = new SceneClient(this, label, this.addresses[server] ?? "");
    this.#clients.push(client);
    return client;
  }

  /** A client with a new session, not told in the transcript. */
  async client(label = "a", options: ConnectOptions = {}, server = 0): Promise<SceneClient> {
    const client = this.dial(label, server);
    client.hello(options);
    await client.welcome(true);
    return client;
  }

  /** Ends every session, so that no expiry disturbs a later case. */
  async end(): Promise<readonly string[]> {
    for (const client of this.#clients) {
      if (!client.ended && !client.connection.closed && client.session !== 0n) {
        client.connection.write(frame(int(0x7fff_ffff), int(closeSession().opcode)));
        while (typeof (await client.connection.receive()) !== "string");
      }
      client.connection.destroy();
    }
    return this.transcript();
  }

  transcript(): readonly string[] {
    const text = this.#lines.join("\n");
    const own = new Set<bigint>();
    for (const [, zxid] of text.matchAll(/\{[zw](-?\d+)\}/g)) own.add(BigInt(zxid ?? 0));
    const ranked = [...own].filter((zxid) => zxid > 0n).sort((a, b) => (a < b ? -1 : 1));
    let newest = 0n;
    return this.#lines.map((line) => {
      const told = line
        .replaceAll(/\{([zw])(-?\d+)\}/g, (_, _kind, digits: string) => {
          const zxid = BigInt(digits);
          if (zxid > newest) newest = zxid;
          return zxid > 0n ? `z${ranked.indexOf(zxid) + 1}` : digits;
        })
        .replaceAll(/\{c(-?\d+)\}/g, (_, digits: string) => (BigInt(digits) > 0n ? "a zxid" : digits))
        .replaceAll(/\{e(-?\d+)\}/g, (_, digits: string) => eventZxid(BigInt(digits), ranked))
        .replaceAll(/\{r(-?\d+)\}/g, (_, digits: string) => readZxid(BigInt(digits), newest))
        .replaceAll(/\{s(-?\d+)\}/g, (_, digits: string) => this.#labels.get(BigInt(digits)) ?? digits)
        .replaceAll(/\{t:(-?\d+):(-?\d+):(\w+)\}/g, (_, created: string, modified: string, rule: string) =>
          times(Number(created), Number(modified), rule),
        );
      return told.replaceAll(this.base, "/t");
    });
  }
}

function eventZxid(zxid: bigint, ranked: readonly bigint[]): string {
  if (zxid <= 0n) return String(zxid);
  return ranked.includes(zxid) ? `z${ranked.indexOf(zxid) + 1}` : "another zxid";
}

function readZxid(zxid: bigint, newest: bigint): string {
  if (zxid <= 0n) return String(zxid);
  return zxid >= newest ? "now" : "the past";
}

/** How far a server's clock may be from ours. */
const clockSlackMs = 60_000;

function times(created: number, modified: number, rule: string): string {
  if (created === 0 && modified === 0) return "t=0";
  const near = Math.abs(Date.now() - created) < clockSlackMs && Math.abs(Date.now() - modified) < clockSlackMs;
  const ordered = rule === "same" ? created === modified : modified >= created;
  return near && ordered ? "t=ok" : `t=${created},${modified}`;
}
