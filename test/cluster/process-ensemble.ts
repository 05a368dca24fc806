/**
 * A real ensemble of server processes on this machine, for tests and benchmarks: started, killed,
 * paused, wiped and restarted by id. Ports come from the operating system at first start and stay.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { drawPort, isFree } from "../support/ports.ts";

/** The built `zabra`, for tests that start it themselves. */
export const command = join(dirname(fileURLToPath(import.meta.url)), "../../server/zabra.js");

export interface ServerStatus {
  readonly id: number;
  readonly role: string;
  readonly epoch: number;
  readonly leader: number | undefined;
  readonly lastAppliedZxid: number;
  readonly lastCommittedZxid: number;
  readonly flushedZxid: number;
  readonly sessions: number;
  readonly znodes: number;
  readonly peers: readonly number[];
}

interface Member {
  readonly id: number;
  readonly http: number;
  readonly zk: number;
  readonly peer: number;
  child: ChildProcess | undefined;
  exit: number | undefined;
  output: string;
}

export interface EnsembleOptions {
  readonly servers?: number;
  /** Further arguments of every `zabra server`. */
  readonly args?: readonly string[];
  /** The node binary; this process's by default. */
  readonly node?: string;
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Further variables of one server. */
  readonly envOf?: (id: number) => Readonly<Record<string, string>>;
  readonly directory?: string;
  /** Where a server reaches another; undefined: at its own peer port. The higher id dials. */
  readonly peerPort?: (from: number, to: { readonly id: number; readonly peer: number }) => Promise<number>;
  /** The address of a server; 127.0.0.1 for all by default. */
  readonly host?: (id: number) => string;
  /** Words put before a server's command, such as `cgexec -g memory:x`. */
  readonly prefix?: (id: number) => readonly string[];
}

/** A killed server's check of its store lives a moment longer, and may make a file. */
export const removal = { recursive: true, force: true, maxRetries: 10 } as const;

export class ProcessEnsemble {
  readonly #options: EnsembleOptions;
  readonly directory: string;
  readonly members: Member[] = [];
  readonly #peerPorts = new Map<string, number>();

  private constructor(options: EnsembleOptions) {
    this.#options = options;
    this.directory = options.directory ?? mkdtempSync(join(tmpdir(), "zabra-"));
  }

  static async start(options: EnsembleOptions = {}): Promise<ProcessEnsemble> {
    const ensemble = new ProcessEnsemble(options);
    for (let id = 1; id <= (options.servers ?? 3); id += 1) {
      const [http = 0, zk = 0, peer = 0] = await freePorts(3);
      ensemble.members.push({ id, http, zk, peer, child: undefined, exit: undefined, output: "" });
    }
    await ensemble.#resolvePeers();
    for (const member of ensemble.members) ensemble.startServer(member.id);
    try {
      await ensemble.waitServing();
    } catch (error) {
      // Servers that go on would keep the test's process alive until its time is up, and what is wrong untold.
      await ensemble.close();
      throw error;
    }
    return ensemble;
  }

  async #resolvePeers(): Promise<void> {
    for (const { id: from } of this.members) {
      for (const to of this.members) {
        const port = from > to.id ? await this.#options.peerPort?.(from, to) : undefined;
        this.#peerPorts.set(`${from} ${to.id}`, port ?? to.peer);
      }
    }
  }

  get urls(): string[] {
    return this.members.map((member) => `ws://${this.host(member.id)}:${member.http}`);
  }

  get zkHosts(): string {
    return this.members.map((member) => `${this.host(member.id)}:${member.zk}`).join(",");
  }

  host(id: number): string {
    return this.#options.host?.(id) ?? "127.0.0.1";
  }

  httpUrl(id: number): string {
    return `http://${this.host(id)}:${this.member(id).http}`;
  }

  member(id: number): Member {
    const member = this.members.find((other) => other.id === id);
    if (member === undefined) throw new Error(`no server ${id}`);
    return member;
  }

  dataDirectory(id: number): string {
    return join(this.directory, String(id));
  }

  startServer(id: number, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): void {
    const member = this.member(id);
    if (member.child !== undefined) throw new Error(`server ${id} runs already`);
    mkdirSync(this.dataDirectory(id), { recursive: true });
    const words = [
      ...(this.#options.prefix?.(id) ?? []),
      this.#options.node ?? process.execPath,
      ...(this.#options.nodeArgs ?? []),
      command,
      "server",
      ...this.#arguments(member),
      ...args,
    ];
    const [program = "", ...rest] = words;
    const child = spawn(program, rest, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...this.#options.env, ...this.#options.envOf?.(id), ...env },
    });
    member.child = child;
    member.exit = undefined;
    const keep = (chunk: Buffer): void => {
      member.output = (member.output + chunk.toString()).slice(-20_000);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("exit", (code, signal) => {
      if (member.child === child) member.child = undefined;
      member.exit = code ?? (signal === null ? 1 : 128);
      if (signal !== null) keep(Buffer.from(`(ended by ${signal})\n`));
    });
  }

  #arguments(member: Member): string[] {
    const portOf = (other: Member): number => this.#peerPorts.get(`${member.id} ${other.id}`) ?? other.peer;
    const ensemble = this.members.map((other) => `${other.id}=${this.host(other.id)}:${portOf(other)}`).join(",");
    return [
      "--id",
      String(member.id),
      "--data-dir",
      this.dataDirectory(member.id),
      "--ensemble",
      ensemble,
      "--http",
      `${this.host(member.id)}:${member.http}`,
      "--zk",
      `${this.host(member.id)}:${member.zk}`,
      "--peer",
      `${this.host(member.id)}:${member.peer}`,
      "--log-level",
      "info",
      ...(this.#options.args ?? []),
    ];
  }

  /** Signals a server; after SIGKILL or SIGTERM waits until the process is gone. */
  async signal(id: number, signal: NodeJS.Signals): Promise<void> {
    const member = this.member(id);
    const { child } = member;
    if (child === undefined) return;
    child.kill(signal);
    if (signal === "SIGSTOP" || signal === "SIGCONT") return;
    while (member.child === child) await delay(2);
  }

  async exitCode(id: number): Promise<number> {
    const member = this.member(id);
    while (member.exit === undefined) await delay(5);
    return member.exit;
  }

  pid(id: number): number {
    return this.member(id).child?.pid ?? 0;
  }

  async status(id: number): Promise<ServerStatus | undefined> {
    const stop = AbortSignal.timeout(2_000);
    try {
      const response = await fetch(`${this.httpUrl(id)}/status`, { signal: stop });
      return (await response.json()) as ServerStatus;
    } catch {
      return undefined;
    }
  }

  /** The id of the leader, once there is one. */
  async leader(deadlineMs = 20_000): Promise<number> {
    const endMs = performance.now() + deadlineMs;
    while (performance.now() < endMs) {
      for (const member of this.members) {
        if (member.child !== undefined && (await this.status(member.id))?.role === "leading") return member.id;
      }
      await delay(10);
    }
    throw new Error(`no leader within ${deadlineMs} ms\n${this.outputs()}`);
  }

  /** Resolves once every running server (or those named) is ready. */
  async waitServing(
    ids: readonly number[] = this.members.filter((member) => member.child !== undefined).map((member) => member.id),
    deadlineMs = 30_000,
  ): Promise<void> {
    const endMs = performance.now() + deadlineMs;
    for (const id of ids) {
      while (!(await this.#ready(id))) {
        if (performance.now() > endMs) throw new Error(`server ${id} does not serve within ${deadlineMs} ms\n${this.outputs()}`);
        if (this.member(id).exit !== undefined && this.member(id).child === undefined)
          throw new Error(`server ${id} ended\n${this.outputs()}`);
        await delay(10);
      }
    }
  }

  async #ready(id: number): Promise<boolean> {
    try {
      return (await fetch(`${this.httpUrl(id)}/readyz`, { signal: AbortSignal.timeout(2_000) })).ok;
    } catch {
      return false;
    }
  }

  wipe(id: number): void {
    // The directory itself stays: it may be a disk of its own.
    const directory = this.dataDirectory(id);
    for (const name of readdirSync(directory)) rmSync(join(directory, name), removal);
  }

  outputs(): string {
    return this.members.map((member) => `--- server ${member.id}\n${member.output.slice(-3_000)}`).join("\n");
  }

  /** What every server says of itself, for a failure's message. */
  async diagnosis(): Promise<string> {
    const pages = await Promise.all(
      this.members.map(async ({ id }) => `--- status ${id}: ${JSON.stringify(await this.status(id))}`),
    );
    return [this.outputs(), ...pages].join("\n");
  }

  async close(): Promise<void> {
    for (const member of this.members) {
      member.child?.kill("SIGCONT");
      await this.signal(member.id, "SIGKILL");
    }
    if (this.#options.directory === undefined) rmSync(this.directory, removal);
  }
}

/** CPU seconds of a process so far, user and system. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Resident memory of a process by kind, MiB. */
export function residentMiB(pid: number): { anon: number; file: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const read = (name: string): number => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024);
  return { anon: read("RssAnon"), file: read("RssFile") };
}

export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await drawPort());
  return ports;
}

/** A base port for `zabra dev`, all of whose servers' ports are free. */
export async function freeDevPort(servers: number): Promise<number> {
  for (;;) {
    const [base = 0] = await freePorts(1);
    const ports = Array.from({ length: servers }, (_, i) => [0, 1, 708].map((offset) => base + offset + 10 * i)).flat();
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return base;
  }
}
