/**
 * A real ZooKeeper server on this machine, and a client that writes to it, for tests of moving in. The
 * classes are Debian's package `zookeeper`, or what `$ZOOKEEPER_CLASSPATH` names (all jars of a
 * release: `…/lib/*`).
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Acl, openAcl } from "../../src/model/acl.ts";
import { Reader, Writer } from "../../src/wire/cursor.ts";
import { FrameDecoder } from "../../src/wire/frame.ts";
import { beginFrame, endFrame, readString, writeAcl, writeBoolean, writeBuffer, writeString } from "../../src/wire/jute.ts";
import { freePorts } from "../cluster/process-ensemble.ts";

const debian = ["zookeeper", "slf4j-api", "slf4j-simple", "snappy-java"].map((name) => `/usr/share/java/${name}.jar`);
const classPath = process.env["ZOOKEEPER_CLASSPATH"] ?? debian.filter((path) => existsSync(path)).join(":");

/** Why no ZooKeeper can be started here; undefined when one can. */
export function whyNoZooKeeper(): string | undefined {
  if (process.env["ZOOKEEPER_CLASSPATH"] === undefined && !existsSync(debian[0] ?? ""))
    return `NOT TESTED: there is no ${debian[0]} (apt-get install zookeeper), and ZOOKEEPER_CLASSPATH is not set`;
  const java = spawnSync("java", ["-version"]);
  return java.status === 0 ? undefined : "NOT TESTED: there is no java";
}

export interface ZooKeeperOptions {
  /** System properties, such as `zookeeper.snapshot.compression.method`. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Lines `server.N=…` of an ensemble, and this server's id in it. */
  readonly ensemble?: { readonly id: number; readonly lines: readonly string[] };
  /** Writes a snapshot about every so many txns. */
  readonly snapCount?: number;
}

const startMs = 60_000;

export class ZooKeeper {
  readonly #directory: string;
  readonly port: number;
  #child: ChildProcess | undefined;
  #output = "";

  private constructor(port: number) {
    this.#directory = mkdtempSync(join(tmpdir(), "zookeeper-"));
    this.port = port;
  }

  static async start(options: ZooKeeperOptions = {}): Promise<ZooKeeper> {
    const [port = 0] = await freePorts(1);
    const server = new ZooKeeper(port);
    await server.start(options);
    return server;
  }

  /** Several, of which one leads. */
  static async startEnsemble(count: number): Promise<ZooKeeper[]> {
    const ports = await freePorts(3 * count);
    const servers = ports.slice(0, count).map((port) => new ZooKeeper(port));
    const lines = servers.map((_, i) => `server.${i + 1}=127.0.0.1:${ports[count + i]}:${ports[2 * count + i]}`);
    await Promise.all(servers.map((server, i) => server.start({ ensemble: { id: i + 1, lines } })));
    return servers;
  }

  async leads(): Promise<boolean> {
    return /^Mode: leader/m.test(await this.word("srvr").catch(() => ""));
  }

  get dataDirectory(): string {
    return join(this.#directory, "data");
  }

  async start(options: ZooKeeperOptions = {}): Promise<void> {
    mkdirSync(this.dataDirectory, { recursive: true });
    const config = join(this.#directory, "zoo.cfg");
    const lines = [
      "tickTime=2000",
      `dataDir=${this.dataDirectory}`,
      `clientPort=${this.port}`,
      "clientPortAddress=127.0.0.1",
      "maxClientCnxns=0",
      "4lw.commands.whitelist=*",
      "admin.enableServer=false",
      "extendedTypesEnabled=true",
      "initLimit=10",
      "syncLimit=5",
      ...(options.ensemble?.lines ?? []),
    ];
    if (options.ensemble !== undefined) writeFileSync(join(this.dataDirectory, "myid"), `${options.ensemble.id}\n`);
    writeFileSync(config, `${lines.join("\n")}\n`);
    const properties = {
      "zookeeper.extendedTypesEnabled": "true",
      "zookeeper.snapCount": String(options.snapCount ?? 100_000),
      "zookeeper.preAllocSize": "64",
      "org.slf4j.simpleLogger.defaultLogLevel": "warn",
      ...options.properties,
    };
    const flags = Object.entries(properties).map(([name, value]) => `-D${name}=${value}`);
    const main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
    const child = spawn("java", ["-Xmx1g", ...flags, "-cp", classPath, main, config], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-5_000);
      });
    this.#child = child;
    child.once("exit", () => {
      if (this.#child === child) this.#child = undefined;
    });
    const endMs = performance.now() + startMs;
    while (!(await this.#serves())) {
      if (this.#child === undefined || performance.now() > endMs) throw new Error(`ZooKeeper does not serve\n${this.#output}`);
      await delay(50);
    }
  }

  async #serves(): Promise<boolean> {
    return /^Mode: /m.test(await this.word("srvr").catch(() => ""));
  }

  /** The answer to a four-letter word. */
  word(word: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.port, "127.0.0.1", () => socket.write(word));
      let text = "";
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      socket.setTimeout(2_000, () => socket.destroy());
      socket.on("error", reject);
      socket.on("close", () => resolve(text));
    });
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export type CreateKind = "persistent" | "ephemeral" | "sequential" | "container" | { readonly ttlMs: number };

const pingMs = 5_000;
const flagOf = { persistent: 0, ephemeral: 1, sequential: 2, container: 4 } as const;

/** One session that writes. Calls may be pipelined; each resolves in order, and rejects with ZooKeeper's error number. */
export class ZooKeeperWriter {
  readonly #socket: Socket;
  readonly #frames = new FrameDecoder(1 << 24);
  readonly #writer = new Writer();
  readonly #waiting: { resolve(reader: Reader): void; reject(error: unknown): void }[] = [];
  #xid = 0;
  #closed = false;
  readonly #pinger = setInterval(() => this.#ping(), pingMs);

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async open(port: number): Promise<ZooKeeperWriter> {
    const socket = connect(port, "127.0.0.1");
    socket.setNoDelay(true);
    const writer = new ZooKeeperWriter(socket);
    await writer.#handshake();
    return writer;
  }

  #handshake(): Promise<unknown> {
    this.#socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    this.#socket.on("close", () => {
      this.#closed = true;
      clearInterval(this.#pinger);
      for (const one of this.#waiting.splice(0)) one.reject(new Error("the connection was closed"));
    });
    this.#socket.on("error", () => {});
    return this.#send((w) => {
      w.int32(0);
      w.int64(0);
      w.int32(30_000);
      w.int64(0);
      writeBuffer(w, new Uint8Array(16));
      writeBoolean(w, false);
    });
  }

  #send(body: (w: Writer) => void): Promise<Reader> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new Error("the connection was closed"));
      this.#waiting.push({ resolve, reject });
      const mark = beginFrame(this.#writer);
      body(this.#writer);
      endFrame(this.#writer, mark);
      this.#socket.write(this.#writer.finish());
    });
  }

  #call(opcode: number, body: (w: Writer) => void): Promise<Reader> {
    return this.#send((w) => {
      this.#xid += 1;
      w.int32(this.#xid);
      w.int32(opcode);
      body(w);
    });
  }

  #ping(): void {
    const mark = beginFrame(this.#writer);
    this.#writer.int32(-2);
    this.#writer.int32(11);
    endFrame(this.#writer, mark);
    this.#socket.write(this.#writer.finish());
  }

  #onData(chunk: Buffer): void {
    this.#frames.push(chunk);
    for (let body = this.#frames.next(); body !== undefined; body = this.#frames.next()) {
      const r = new Reader(body);
      if (body.length === 16 && new Reader(body).int32() === -2) continue;
      const waiting = this.#waiting.shift();
      // The first is the answer to the connect request, which has another form.
      if (this.#xid > 0) r.raw(12);
      const code = this.#xid > 0 ? r.int32() : 0;
      if (code === 0) waiting?.resolve(r);
      else waiting?.reject(new Error(`ZooKeeper error ${code}`));
    }
  }

  /** Resolves to the path. */
  async create(path: string, data: string, kind: CreateKind = "persistent", acl: Acl = openAcl): Promise<string> {
    const ttl = typeof kind === "object" ? kind : undefined;
    const flags = typeof kind === "object" ? 5 : flagOf[kind];
    const opcode = ttl !== undefined ? 21 : kind === "container" ? 19 : 1;
    const r = await this.#call(opcode, (w) => {
      writeString(w, path);
      writeBuffer(w, Buffer.from(data));
      writeAcl(w, acl);
      w.int32(flags);
      if (ttl !== undefined) w.int64(ttl.ttlMs);
    });
    return readString(r);
  }

  async set(path: string, data: string): Promise<void> {
    await this.#call(5, (w) => {
      writeString(w, path);
      writeBuffer(w, Buffer.from(data));
      w.int32(-1);
    });
  }

  async delete(path: string): Promise<void> {
    await this.#call(2, (w) => {
      writeString(w, path);
      w.int32(-1);
    });
  }

  async setAcl(path: string, acl: Acl): Promise<void> {
    await this.#call(7, (w) => {
      writeString(w, path);
      writeAcl(w, acl);
      w.int32(-1);
    });
  }

  async close(): Promise<void> {
    await this.#call(-11, () => {}).catch(() => {});
    this.#socket.destroy();
  }
}
