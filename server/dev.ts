/**
 * `zabra dev`: an ensemble on this machine, one child process a server, for trying things out and for
 * developing against. Restarts what dies, with back-off; a server that refuses its configuration
 * stops everything, because trying again cannot help. Ctrl-C stops all.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { get } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ConfigError, exitCodes } from "./config.ts";
import { type Flags, fail } from "./main.ts";

interface DevOptions {
  readonly servers: number;
  readonly directory: string;
  readonly basePort: number;
  readonly logLevel: string;
}

interface DevMember {
  readonly id: number;
  readonly httpPort: number;
  readonly zookeeperPort: number;
  readonly peerPort: number;
}

const portStep = 10;
const zookeeperOffset = 1;
const peerOffset = 708;
const restartMinMs = 200;
const restartMaxMs = 5_000;
/** A server that ran so long has its back-off forgiven. */
const healthyMs = 10_000;
const pollMs = 100;
const killMs = 10_000;

export async function runDev(flags: Flags): Promise<void> {
  try {
    const dev = new DevEnsemble(readOptions(flags));
    process.on("SIGINT", () => void dev.stop());
    process.on("SIGTERM", () => void dev.stop());
    dev.start();
    await dev.announce();
  } catch (error) {
    fail(error);
  }
}

function readOptions(flags: Flags): DevOptions {
  return {
    servers: whole(flags, "servers", 1, 9),
    directory: String(flags["data-dir"]),
    basePort: whole(flags, "base-port", 1, 64_000),
    logLevel: String(flags["log-level"]),
  };
}

function whole(flags: Flags, name: string, min: number, max: number): number {
  const value = Number(flags[name]);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new ConfigError(
    `--${name}`,
    `must be a whole number from ${min} to ${max} (got "${String(flags[name])}")`,
    exitCodes.usage,
  );
}

/** The arguments of each server's own `zabra server`. */
export function memberArguments(options: DevOptions, member: DevMember, members: readonly DevMember[]): string[] {
  const ensemble = members.map(({ id, peerPort }) => `${id}=127.0.0.1:${peerPort}`).join(",");
  return [
    "server",
    "--id",
    String(member.id),
    "--data-dir",
    join(options.directory, String(member.id)),
    "--ensemble",
    ensemble,
    "--http",
    `127.0.0.1:${member.httpPort}`,
    "--zk",
    `127.0.0.1:${member.zookeeperPort}`,
    "--log-level",
    options.logLevel,
  ];
}

export function devMembers(options: DevOptions): readonly DevMember[] {
  return Array.from({ length: options.servers }, (_, index) => {
    const httpPort = options.basePort + portStep * index;
    return { id: index + 1, httpPort, zookeeperPort: httpPort + zookeeperOffset, peerPort: httpPort + peerOffset };
  });
}

class DevEnsemble {
  readonly #options: DevOptions;
  readonly #members: readonly DevMember[];
  readonly #children = new Map<number, ChildProcess>();
  readonly #backOffMs = new Map<number, number>();
  #stopping = false;
  #exitCode: number = exitCodes.stopped;

  constructor(options: DevOptions) {
    this.#options = options;
    this.#members = devMembers(options);
  }

  start(): void {
    for (const member of this.#members) this.#spawn(member);
  }

  /** Prints every URL once all servers serve. */
  async announce(): Promise<void> {
    for (const member of this.#members) {
      while (!this.#stopping && !(await isReady(member.httpPort))) await pause(pollMs);
    }
    if (this.#stopping) return;
    const lines = this.#members.map(
      (member) =>
        `  server ${member.id}   ws://127.0.0.1:${member.httpPort}   status http://127.0.0.1:${member.httpPort}/status   ZooKeeper 127.0.0.1:${member.zookeeperPort}`,
    );
    const connect = this.#members.map((member) => `ws://127.0.0.1:${member.httpPort}`).join(",");
    process.stdout.write(
      `\nThe ensemble serves. Data is in ${this.#options.directory}; Ctrl-C stops it.\n${lines.join("\n")}\n\n  connect to   ${connect}\n\n`,
    );
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    const ended = [...this.#children.values()].map((child) => endOf(child));
    for (const child of this.#children.values()) child.kill("SIGTERM");
    const killer = setTimeout(() => {
      for (const child of this.#children.values()) child.kill("SIGKILL");
    }, killMs);
    await Promise.all(ended);
    clearTimeout(killer);
    process.exit(this.#exitCode);
  }

  #spawn(member: DevMember): void {
    if (this.#stopping) return;
    const script = process.argv[1] ?? "zabra";
    const child = spawn(
      process.execPath,
      [...process.execArgv, script, ...memberArguments(this.#options, member, this.#members)],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    const startedMs = performance.now();
    this.#children.set(member.id, child);
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on("line", (line) => this.#print(member.id, line));
    }
    child.on("error", (error) => this.#print(member.id, error.message));
    child.on("exit", (code, signal) => this.#exited(member, code, signal, performance.now() - startedMs));
  }

  #exited(member: DevMember, code: number | null, signal: NodeJS.Signals | null, ranMs: number): void {
    this.#children.delete(member.id);
    if (this.#stopping) return;
    if (code === exitCodes.usage || code === exitCodes.configuration) {
      this.#exitCode = code;
      void this.stop();
      return;
    }
    const backOff = ranMs > healthyMs ? restartMinMs : (this.#backOffMs.get(member.id) ?? restartMinMs);
    this.#backOffMs.set(member.id, Math.min(backOff * 2, restartMaxMs));
    this.#print(member.id, `ended (${signal ?? `exit code ${code}`}); starting it again in ${backOff} ms`);
    setTimeout(() => this.#spawn(member), backOff);
  }

  #print(id: number, line: string): void {
    // Each server's own greeting is replaced by the announcement of all.
    if (line.length > 0 && !line.startsWith("zabra server ")) process.stdout.write(`[${id}] ${line}\n`);
  }
}

function endOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: "127.0.0.1", port, path: "/readyz", timeout: 1_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(false));
  });
}
