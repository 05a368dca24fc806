/**
 * Servers inside another process: `startServer` for one, `startEnsemble` for several on free ports.
 * For tests and for programs that embed Zabra; `zabra server` is the way to run it in production.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Limits } from "../src/model/limits.ts";
import type { Halt } from "../src/replica/effects.ts";
import type { Status } from "../src/replica/status.ts";
import { type Address, type Config, type ConfiguredMember, formatAddress, readLimits, type SecureAddress } from "./config.ts";
import { defaultWords, words } from "./four-letter-words.ts";
import type { HttpRoute } from "./http.ts";
import { type LogLevel, makeLogger } from "./log.ts";
import { type BoundAddresses, demandPorts, ZabraServer } from "./server.ts";

export type { Limits } from "../src/model/limits.ts";
export type { Status } from "../src/replica/status.ts";
export type { ConfiguredMember } from "./config.ts";
export { ConfigError } from "./config.ts";
export type { HttpRoute } from "./http.ts";

/** Texts in PEM. */
export interface ZooKeeperTls {
  readonly port?: number;
  /** The server's certificate, then those between it and its authority. */
  readonly cert: string;
  readonly key: string;
  /** Clients must show a certificate of one of these authorities. Default: they need none. */
  readonly ca?: string;
}

export interface ServerOptions {
  readonly id?: number;
  /** Default: a new temporary directory, removed by `close`. */
  readonly directory?: string;
  /** Default: an ensemble of this server alone. */
  readonly ensemble?: readonly ConfiguredMember[];
  readonly rejoin?: boolean;
  /** Of a fresh ensemble: its first epoch is above this one. Default 0. */
  readonly foundAboveEpoch?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** HTTP and WebSocket; 0, the default, is any free port. */
  readonly port?: number;
  /** Default 0: any free port; `false`: off. */
  readonly zookeeperPort?: number | false;
  /** ZooKeeper's protocol over TLS besides; port 0, the default, is any free port. Default: off. */
  readonly zookeeperTls?: ZooKeeperTls;
  readonly leaseReads?: boolean;
  readonly superDigest?: string;
  /** Users and passwords for SASL DIGEST-MD5 on the ZooKeeper port. Default: none, and no SASL. */
  readonly saslUsers?: Readonly<Record<string, string>>;
  /** ZooKeeper's read-only mode. Default off. */
  readonly zookeeperReadOnly?: boolean;
  /** Four-letter words of the ZooKeeper port answered besides ruok, isro, srvr, mntr and envi; `"*"`: all. */
  readonly zookeeperWords?: readonly string[] | "*";
  readonly allowOrigins?: readonly string[];
  readonly allowHosts?: readonly string[];
  /** Default: warn. */
  readonly logLevel?: LogLevel;
  readonly limits?: Partial<Limits>;
  readonly routes?: ReadonlyMap<string, HttpRoute>;
  /** The server stopped by itself: damage, a failed disk, a refused configuration. Default: a log line. */
  readonly onHalt?: (halt: Halt) => void;
}

export interface Server {
  /** Such as `ws://127.0.0.1:40123`: what the client library connects to. */
  readonly url: string;
  /** Such as `http://127.0.0.1:40123`. */
  readonly httpUrl: string;
  /** `host:port` for ZooKeeper clients; undefined when it is off. */
  readonly zookeeper: string | undefined;
  /** The same over TLS. */
  readonly zookeeperTls: string | undefined;
  status(): Status;
  /** Resolves when the server serves requests. */
  ready(): Promise<void>;
  /** Stops as on SIGTERM. */
  close(): Promise<void>;
  /** Stops as a crash would, without goodbye. The directory stays. */
  kill(): Promise<void>;
}

/** Resolves when the ports are open; the server may still wait for its ensemble, see `ready`. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const temporary = options.directory === undefined ? mkdtempSync(join(tmpdir(), "zabra-")) : undefined;
  const config = makeConfig(options, options.directory ?? temporary ?? "");
  const { server, bound } = await openServer(config, options).catch((error: unknown) => {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
    throw error;
  });
  return {
    url: `ws://${formatAddress(bound.http)}`,
    httpUrl: `http://${formatAddress(bound.http)}`,
    zookeeper: bound.zookeeper === undefined ? undefined : formatAddress(bound.zookeeper),
    zookeeperTls: bound.zookeeperTls === undefined ? undefined : formatAddress(bound.zookeeperTls),
    status: () => server.status(),
    ready: () => until(() => server.status().serving),
    kill: () => server.kill(),
    close: async () => {
      await server.close();
      if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
    },
  };
}

async function openServer(
  config: Config,
  options: ServerOptions,
): Promise<{ readonly server: ZabraServer; readonly bound: BoundAddresses }> {
  await demandPorts(config);
  const server = new ZabraServer(config, makeHooks(options), makeLogger(config.logLevel, config.id));
  return { server, bound: await server.start() };
}

export interface EnsembleOptions
  extends Omit<ServerOptions, "id" | "ensemble" | "port" | "zookeeperPort" | "zookeeperTls" | "rejoin"> {
  /** Default 3. */
  readonly servers?: number;
  /** Each server's data is in a directory below it. Default: a temporary one, removed by `close`. */
  readonly directory?: string;
  /** Default: ZooKeeper's ports are open. */
  readonly zookeeper?: boolean;
}

export interface Ensemble {
  /** One a server, in order of id; they stay the same over a restart. */
  readonly urls: readonly string[];
  readonly httpUrls: readonly string[];
  /** `host:port` a server; empty when it is off. */
  readonly zookeepers: readonly string[];
  /** By index, from 0; undefined while it is killed. */
  server(index: number): Server | undefined;
  /** Index of the leader; undefined while there is none. */
  leader(): number | undefined;
  /** Resolves when every running server serves. */
  ready(): Promise<void>;
  kill(index: number): Promise<void>;
  restart(index: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts servers that know each other in this process, on free ports of this machine, for tests and examples. Resolves when they serve. */
export async function startEnsemble(options: EnsembleOptions = {}): Promise<Ensemble> {
  const temporary = options.directory === undefined ? mkdtempSync(join(tmpdir(), "zabra-")) : undefined;
  const ensemble = new RunningEnsemble(
    options,
    options.directory ?? temporary ?? "",
    await freePorts(3 * (options.servers ?? 3)),
    temporary !== undefined,
  );
  await ensemble.start();
  return ensemble;
}

class RunningEnsemble implements Ensemble {
  readonly urls: readonly string[];
  readonly httpUrls: readonly string[];
  readonly zookeepers: readonly string[];
  readonly #options: EnsembleOptions;
  readonly #directory: string;
  readonly #removeAtEnd: boolean;
  readonly #members: readonly ConfiguredMember[];
  readonly #ports: readonly number[];
  readonly #servers: (Server | undefined)[];

  constructor(options: EnsembleOptions, directory: string, ports: readonly number[], removeAtEnd: boolean) {
    const count = options.servers ?? 3;
    const host = options.host ?? "127.0.0.1";
    this.#options = options;
    this.#directory = directory;
    this.#removeAtEnd = removeAtEnd;
    this.#ports = ports;
    this.#servers = new Array<Server | undefined>(count).fill(undefined);
    this.#members = Array.from({ length: count }, (_, index) => ({
      id: index + 1,
      host,
      port: this.#port(index, 2),
      observer: false,
    }));
    this.urls = this.#members.map((_, index) => `ws://${formatAddress({ host, port: this.#port(index, 0) })}`);
    this.httpUrls = this.#members.map((_, index) => `http://${formatAddress({ host, port: this.#port(index, 0) })}`);
    this.zookeepers =
      options.zookeeper === false ? [] : this.#members.map((_, index) => formatAddress({ host, port: this.#port(index, 1) }));
  }

  async start(): Promise<void> {
    try {
      await Promise.all(this.#members.map((_, index) => this.restart(index)));
      await this.ready();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  server(index: number): Server | undefined {
    return this.#servers[index];
  }

  leader(): number | undefined {
    const index = this.#servers.findIndex((server) => server?.status().role === "leading" && server.status().serving);
    return index < 0 ? undefined : index;
  }

  ready(): Promise<void> {
    return until(() => this.#servers.every((server) => server === undefined || server.status().serving));
  }

  async kill(index: number): Promise<void> {
    const server = this.#servers[index];
    this.#servers[index] = undefined;
    await server?.kill();
  }

  async restart(index: number): Promise<void> {
    await this.kill(index);
    const { servers: _servers, zookeeper, ...common } = this.#options;
    this.#servers[index] = await startServer({
      ...common,
      id: index + 1,
      directory: join(this.#directory, String(index + 1)),
      ensemble: this.#members,
      port: this.#port(index, 0),
      zookeeperPort: zookeeper === false ? false : this.#port(index, 1),
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server?.close()));
    this.#servers.fill(undefined);
    if (this.#removeAtEnd) rmSync(this.#directory, { recursive: true, force: true });
  }

  #port(index: number, which: number): number {
    return this.#ports[3 * index + which] ?? 0;
  }
}

/** Small preallocation and no reserve: embedded servers are many and short-lived, on whatever disk there is. */
const embeddedLimits: Partial<Limits> = { log_segment_bytes: 16 << 20, free_space_reserve_bytes: 0 };

function makeConfig(options: ServerOptions, directory: string): Config {
  const id = options.id ?? 1;
  const host = options.host ?? "127.0.0.1";
  const ensemble = options.ensemble ?? [{ id, host, port: 0, observer: false }];
  const own = ensemble.find((member) => member.id === id);
  const peer: Address | undefined = ensemble.length > 1 && own !== undefined ? { host: own.host, port: own.port } : undefined;
  return {
    id,
    dataDirectory: directory,
    ensemble,
    rejoin: options.rejoin ?? false,
    foundAboveEpoch: options.foundAboveEpoch ?? 0,
    http: { host, port: options.port ?? 0 },
    zookeeper: options.zookeeperPort === false ? undefined : { host, port: options.zookeeperPort ?? 0 },
    zookeeperTls: secureAddress(host, options.zookeeperTls),
    peer,
    logLevel: options.logLevel ?? "warn",
    allowOrigins: options.allowOrigins ?? [],
    allowHosts: options.allowHosts ?? [],
    leaseReads: options.leaseReads ?? true,
    superDigest: options.superDigest,
    saslUsers: new Map(Object.entries(options.saslUsers ?? {})),
    zookeeperReadOnly: options.zookeeperReadOnly ?? false,
    zookeeperWords: options.zookeeperWords === "*" ? words : [...defaultWords, ...(options.zookeeperWords ?? [])],
    limits: readLimits({ ...embeddedLimits, ...options.limits }),
  };
}

function secureAddress(host: string, tls: ZooKeeperTls | undefined): SecureAddress | undefined {
  return tls === undefined ? undefined : { host, port: tls.port ?? 0, cert: tls.cert, key: tls.key, ca: tls.ca };
}

function makeHooks(options: ServerOptions): { onHalt: (halt: Halt) => void; routes?: ReadonlyMap<string, HttpRoute> } {
  const hooks = { onHalt: options.onHalt ?? ((): void => {}) };
  return options.routes === undefined ? hooks : { ...hooks, routes: options.routes };
}

const readyMs = 30_000;

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + readyMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not ready after ${readyMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Ports that were free a moment ago; all are held at once, so they differ. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => holdPort()));
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function holdPort(): Promise<ReturnType<typeof createServer>> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, () => resolve(server));
  });
}
