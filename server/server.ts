/**
 * One whole server: replica, drivers and listeners put together, started in order and stopped in
 * reverse. `main` runs one a process; the embedding API runs several. It never ends the process
 * itself: what is fatal comes as `onHalt`, once, with the exit code that a process must end with.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { makeEpoch } from "../src/model/zxid.ts";
import type { Halt } from "../src/replica/effects.ts";
import type { ReplicaOptions } from "../src/replica/options.ts";
import { Replica } from "../src/replica/replica.ts";
import type { Status } from "../src/replica/status.ts";
import type { KeyValue } from "../src/tree/key-value.ts";
import { ClientConnections } from "./client-connection.ts";
import { Clock } from "./clock.ts";
import { type Address, type Config, ConfigError, type ConfiguredMember } from "./config.ts";
import { DirectoryLock } from "./directory-lock.ts";
import { directoryBytes } from "./directory-size.ts";
import { NodeDisk } from "./disk.ts";
import { failpoint } from "./failpoint.ts";
import type { WordSettings } from "./four-letter-words.ts";
import { HostPolicy } from "./host-policy.ts";
import { demandFree, HttpListener, type HttpRoute, sendJson, sendText } from "./http.ts";
import { Inbox } from "./inbox.ts";
import { LmdbKeyValue } from "./lmdb.ts";
import { condemn } from "./lmdb-damage.ts";
import { type Logger, makeLogger } from "./log.ts";
import { NodeLoop, type PeerPort } from "./node.ts";
import { PeerTransport } from "./peer-transport.ts";
import { configVersion } from "./reconfig.ts";
import { checkStore, checkStoreBeside, deathsMax, firstCheckMs, scrubIntervalMs, type Verdict } from "./store-guard.ts";
import { version } from "./version.ts";
import { WebSocketListener } from "./websocket-listener.ts";
import { ZooKeeperListener } from "./zookeeper-listener.ts";

export interface ServerHooks {
  /** The server has stopped turning and must not go on. */
  onHalt(halt: Halt): void;
  /** Further pages of the HTTP port, by path. */
  readonly routes?: ReadonlyMap<string, HttpRoute>;
}

export interface BoundAddresses {
  readonly http: Address;
  readonly zookeeper: Address | undefined;
  readonly zookeeperTls: Address | undefined;
  readonly peer: Address | undefined;
}

/** How long a clean shutdown waits for the tree to be flushed; what is not flushed is replayed from the log. */
const flushMs = 5_000;
/** How long clients have to read their goodbye. */
const goodbyeMs = 500;

const noPeers: PeerPort = { send: () => {}, flush: () => {}, close: () => {} };

/**
 * Looks whether the ports can be had, before the data directory is opened: a server that is started again and again while another
 * process has one of them shall not write to its disk each time. Throws ConfigError.
 */
export async function demandPorts({ http, zookeeper, zookeeperTls, peer }: Config): Promise<void> {
  await demandFree(peer, "peer");
  await demandFree(zookeeper, "zk");
  await demandFree(zookeeperTls, "zk-tls");
  await demandFree(http, "http");
}

export class ZabraServer {
  readonly config: Config;
  readonly logger: Logger;
  readonly #inbox = new Inbox();
  readonly #startedMs = performance.now();
  readonly #stores = new Set<LmdbKeyValue>();
  readonly #replica: Replica;
  readonly #disk: NodeDisk;
  readonly #lock: DirectoryLock;
  readonly #loop: NodeLoop;
  readonly #clients: ClientConnections;
  readonly #peers: PeerTransport | undefined;
  readonly #http: HttpListener;
  readonly #zookeeper: ZooKeeperListener | undefined;
  #checking = false;
  #stopCheck: () => void = () => {};
  #firstCheck: NodeJS.Timeout | undefined;
  #scrub: NodeJS.Timeout | undefined;
  #halted = false;
  #closing: Promise<void> | undefined;

  /** Opens the data directory. Throws ConfigError. */
  constructor(config: Config, hooks: ServerHooks, logger: Logger = makeLogger(config.logLevel, config.id)) {
    this.config = config;
    this.logger = logger;
    makeDataDirectory(config.dataDirectory);
    this.#lock = new DirectoryLock(config.dataDirectory);
    this.#disk = new NodeDisk(config.dataDirectory, this.#inbox);
    this.#replica = this.#openReplica();
    this.#clients = new ClientConnections({
      serverId: config.id,
      inbox: this.#inbox,
      limits: config.limits,
      logger,
      superDigest: config.superDigest,
      saslUsers: config.saslUsers,
    });
    this.#peers = this.#makePeers();
    this.#loop = this.#makeLoop(hooks);
    this.#http = this.#makeHttp(hooks);
    this.#zookeeper = this.#makeZooKeeper();
  }

  /** Begins to turn, then opens the ports. Throws ConfigError, closed again, when one cannot be had. */
  async start(): Promise<BoundAddresses> {
    this.#loop.start();
    if (this.#lock.deaths > 0) this.#firstCheck = setTimeout(() => this.#checkBeside(), firstCheckMs).unref();
    this.#scrub = setInterval(() => this.#checkBeside(), scrubIntervalMs).unref();
    try {
      const peer = await this.#peers?.start();
      const zookeeper = await this.#zookeeper?.listen();
      const zookeeperTls = await this.#zookeeper?.listenSecurely();
      const http = await this.#http.listen();
      this.logger.info(
        {
          pid: process.pid,
          http: http.port,
          zookeeper: zookeeper?.port,
          zookeeperTls: zookeeperTls?.port,
          peer: peer?.port,
          version,
        },
        "server started",
      );
      return { http, zookeeper, zookeeperTls, peer };
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  status(): Status {
    return this.#loop.status();
  }

  /** Says goodbye to the clients, flushes the tree, and ends. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Ends without goodbye or flush, as a crash would, but leaves no disk operation behind. */
  kill(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#clients.goAway("the server stops");
    if (!this.#halted) {
      await this.#until(() => this.#clients.count === 0, goodbyeMs);
      failpoint("shutdownBeforeFlush");
      const applied = this.status().lastAppliedZxid;
      this.#replica.prepareShutdown();
      await this.#until(() => this.#halted || this.status().flushedZxid >= applied, flushMs);
    }
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#loop.stop();
    clearTimeout(this.#firstCheck);
    clearInterval(this.#scrub);
    this.#stopCheck();
    this.#clients.destroyAll();
    await Promise.all([this.#http.close(), this.#zookeeper?.close(), this.#peers?.stop()]);
    await this.#disk.close();
    await Promise.all(
      [...this.#stores].map((store) => {
        store.close();
        return store.closed;
      }),
    );
    this.#lock.release();
    this.logger.info("server stopped");
  }

  async #until(condition: () => boolean, ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    while (!condition() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  // ---- construction

  #openReplica(): Replica {
    try {
      return new Replica(replicaOptions(this.config), {
        disk: this.#disk,
        openStore: (directory, anew) => this.#openStore(directory, anew),
      });
    } catch (error) {
      this.#lock.release();
      throw error;
    }
  }

  #openStore(directory: string, anew: boolean): KeyValue {
    const path = join(this.config.dataDirectory, directory);
    if (anew) rmSync(path, { recursive: true, force: true });
    else if (this.#lock.deaths >= deathsMax) this.#checkFirst(path);
    const store = new LmdbKeyValue(path, (event) => this.#inbox.push(event));
    this.#stores.add(store);
    return store;
  }

  // ---- the store, checked from outside

  /** It died again and again before a check beside it came to its end: maybe of reading the store. */
  #checkFirst(path: string): void {
    this.logger.warn({ store: path }, "the tree store is checked before it is used: this server died again and again");
    const verdict = checkStore(path);
    if (verdict.type === "damaged") condemn(path, verdict.reason);
    if (verdict.type !== "unknown") this.#lock.checked();
  }

  #checkBeside(): void {
    // The oldest is the one in use; a snapshot may be coming into another.
    const store = [...this.#stores].find((each) => !each.isClosed);
    if (store === undefined || this.#halted || this.#checking) return;
    this.#checking = true;
    this.#stopCheck = checkStoreBeside(store, (verdict) => this.#onVerdict(store, verdict));
  }

  #onVerdict(store: LmdbKeyValue, verdict: Verdict): void {
    this.#checking = false;
    if (store.isClosed) return;
    store.forgetDeadReaders();
    if (verdict.type === "unknown") this.logger.warn({ reason: verdict.reason }, "the tree store could not be checked");
    else if (verdict.type === "sound") this.#lock.checked();
    else {
      store.condemn(verdict.reason);
      this.#inbox.push({ type: "storeFailed", reason: verdict.reason });
    }
  }

  #makePeers(): PeerTransport | undefined {
    const { id, ensemble, peer } = this.config;
    if (peer === undefined) return undefined;
    return new PeerTransport({ id, ensemble, listen: peer, inbox: this.#inbox, logger: this.logger });
  }

  #makeLoop(hooks: ServerHooks): NodeLoop {
    return new NodeLoop({
      replica: this.#replica,
      inbox: this.#inbox,
      clock: new Clock(),
      peers: this.#peers ?? noPeers,
      clients: this.#clients,
      logger: this.logger,
      onHalt: (halt) => {
        this.#halted = true;
        this.logger.error({ exitCode: halt.exitCode, reason: halt.reason }, "server halts");
        hooks.onHalt(halt);
      },
    });
  }

  #makeHttp(hooks: ServerHooks): HttpListener {
    const policy = new HostPolicy([...this.config.allowHosts, ...this.#ownNames()], this.config.allowOrigins);
    const webSockets = new WebSocketListener(this.#clients, policy);
    return new HttpListener({
      address: this.config.http,
      policy,
      connectionsMax: this.config.limits.connections_max,
      routes: new Map([...this.#routes(), ...(hooks.routes ?? [])]),
      upgrade: (request, socket, head) => webSockets.upgrade(request, socket, head),
    });
  }

  #makeZooKeeper(): ZooKeeperListener | undefined {
    const { zookeeper, zookeeperTls } = this.config;
    if (zookeeper === undefined && zookeeperTls === undefined) return undefined;
    return new ZooKeeperListener(zookeeper, zookeeperTls, this.#clients, {
      status: () => this.status(),
      inspect: () => this.#replica.inspect(),
      voters: this.#voters(),
      observers: this.config.ensemble.length - this.#voters(),
      uptimeMs: () => this.#uptimeMs(),
      words: new Set(this.config.zookeeperWords),
      settings: this.#wordSettings(),
    });
  }

  #wordSettings(): Omit<WordSettings, "port" | "securePort"> {
    const { id, dataDirectory, limits, ensemble } = this.config;
    return {
      id,
      dataDirectory,
      logBytes: () => directoryBytes(dataDirectory, "log-"),
      storeBytes: () => directoryBytes(dataDirectory, "store-"),
      connectionsMax: limits.connections_max,
      sessionTimeoutMsMin: limits.session_timeout_ms_min,
      sessionTimeoutMsMax: limits.session_timeout_ms_max,
      heartbeatMs: limits.heartbeat_ms,
      members: ensemble.map(memberLine),
    };
  }

  #ownNames(): readonly string[] {
    const own = this.config.ensemble.find((member) => member.id === this.config.id);
    return own === undefined ? [this.config.http.host] : [this.config.http.host, own.host];
  }

  #voters(): number {
    return this.config.ensemble.filter((member) => !member.observer).length;
  }

  #uptimeMs(): number {
    return Math.round(performance.now() - this.#startedMs);
  }

  #routes(): ReadonlyMap<string, HttpRoute> {
    return new Map<string, HttpRoute>([
      ["/livez", (_request, response) => sendText(response, this.#halted ? 503 : 200, this.#halted ? "halted" : "ok")],
      ["/readyz", (_request, response) => this.#ready(response)],
      ["/status", (_request, response) => sendJson(response, 200, this.#statusPage())],
    ]);
  }

  #ready(response: Parameters<HttpRoute>[1]): void {
    const status = this.status();
    if (status.serving && !this.#halted) return sendText(response, 200, "ok");
    sendText(response, 503, status.waitingFor === "" ? `${status.role}, not serving` : status.waitingFor);
  }

  #statusPage(): unknown {
    const status = this.status();
    return {
      ...status,
      leader: status.leader ?? null,
      uptimeMs: this.#uptimeMs(),
      version,
      ensemble: this.config.ensemble.map(({ id, host, port, observer }) => ({ id, host, port, observer })),
      freeBytes: this.#disk.freeBytes(),
      droppedClients: this.#clients.dropped,
      diskOperations: this.#disk.inFlight,
      loop: this.#loop.counters(),
      memoryBytes: process.memoryUsage.rss(),
    };
  }
}

/** As ZooKeeper writes a member; both of its peer ports are our one. No client address: clients would replace theirs by it. */
function memberLine(member: ConfiguredMember): string {
  const host = member.host.includes(":") ? `[${member.host}]` : member.host;
  return `server.${member.id}=${host}:${member.port}:${member.port}:${member.observer ? "observer" : "participant"}`;
}

/** What /zookeeper/config shows. A server alone shows nothing, as a standalone ZooKeeper. */
function configText(ensemble: readonly ConfiguredMember[]): string {
  return ensemble.length === 1 ? "" : [...ensemble.map(memberLine), `version=${configVersion}`].join("\n");
}

function replicaOptions(config: Config): ReplicaOptions {
  return {
    configText: configText(config.ensemble),
    saslAcls: config.saslUsers.size > 0,
    readOnlyMode: config.zookeeperReadOnly,
    id: config.id,
    ensemble: config.ensemble.map(({ id, observer }) => ({ id, observer })),
    rejoin: config.rejoin,
    foundAboveEpoch: makeEpoch(config.foundAboveEpoch),
    leaseReads: config.leaseReads,
    limits: config.limits,
    boot: randomBytes(6).readUIntBE(0, 6),
    freshClusterId: randomBytes(16).toString("hex"),
  };
}

function makeDataDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new ConfigError("data-dir", `${directory} cannot be made: ${error instanceof Error ? error.message : String(error)}`);
  }
}
