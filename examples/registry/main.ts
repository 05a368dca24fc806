/**
 * Three instances behind a proxy, under load, while instances are drained, killed and started: no request is lost.
 *
 *     node dist/examples/registry/main.js [requests = 10000] [servers]
 *
 * Without `servers` it starts an ensemble of its own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, get } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { connect } from "zabra";
import { startEnsemble } from "zabra/testing";
import { startProxy } from "./proxy.ts";

const program = fileURLToPath(new URL("./instance.js", import.meta.url));
const parallel = 32;
const changes = 8;

class Instances {
  readonly #servers: string;
  readonly #running: ChildProcess[] = [];
  started = 0;
  drained = 0;
  killed = 0;

  constructor(servers: string) {
    this.#servers = servers;
  }

  /** Resolves when it is registered. */
  async start(): Promise<void> {
    this.started += 1;
    const child = spawn(process.execPath, [program, `instance-${this.started}`, this.#servers], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#running.push(child);
    const lines = createInterface({ input: child.stdout });
    console.log((await once(lines, "line"))[0]);
  }

  /** The oldest goes, in one of two ways. */
  async stopOldest(kill: boolean): Promise<void> {
    const child = this.#running.shift();
    if (child === undefined) return;
    const exit = once(child, "exit");
    child.kill(kill ? "SIGKILL" : "SIGTERM");
    await exit;
    if (kill) this.killed += 1;
    else this.drained += 1;
  }

  close(): void {
    for (const child of this.#running) child.kill("SIGKILL");
  }
}

const agent = new Agent({ keepAlive: true, maxSockets: parallel });

/** Whether it was answered. */
function send(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const outgoing = get({ host: "127.0.0.1", port, path: "/", agent }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode === 200 && answer.complete));
    });
    outgoing.on("error", () => resolve(false));
  });
}

const [requests = "10000", given] = process.argv.slice(2);
const total = Number(requests);
const ensemble = given === undefined ? await startEnsemble({ zookeeper: false }) : undefined;
const servers = given ?? ensemble?.urls.join(",") ?? "";
const client = await connect(servers);
const instances = new Instances(servers);
process.once("exit", () => instances.close());
const proxy = await startProxy(client, "hello");
const { port } = proxy.address() as AddressInfo;
await Promise.all([instances.start(), instances.start(), instances.start()]);

let sent = 0;
let lost = 0;
async function load(): Promise<void> {
  while (sent < total) {
    sent += 1;
    if (!(await send(port))) lost += 1;
  }
}
async function change(): Promise<void> {
  for (let i = 1; i <= changes && sent < total; i += 1) {
    await instances.start();
    await instances.stopOldest(i % 2 === 0);
  }
}
const beganMs = performance.now();
await Promise.all([...Array.from({ length: parallel }, load), change()]);
const perSecond = Math.round((1_000 * total) / (performance.now() - beganMs));
const { started, drained, killed } = instances;
console.log(
  `${total} requests, ${lost} lost, ${perSecond}/s; ${started} instances came, ${drained} were drained, ${killed} killed`,
);
process.exitCode = lost === 0 ? 0 : 1;
instances.close();
agent.destroy();
proxy.close();
proxy.closeAllConnections();
await client.close();
await ensemble?.close();
