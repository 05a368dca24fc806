/**
 * The server process: configuration, signals, exit codes. 0 stopped on request, 64 bad usage, 70 storage
 * or invariant failure, 78 bad configuration. A supervisor restarts it; it never restarts itself.
 */
import { type Config, ConfigError, exitCodes, formatAddress, readConfig } from "./config.ts";
import { armFailpoints } from "./failpoint.ts";
import type { HttpRoute } from "./http.ts";
import { type Logger, makeLogger } from "./log.ts";
import { demandPorts, ZabraServer } from "./server.ts";

export type Flags = Readonly<Record<string, string | boolean | undefined>>;

/** Runs until a signal or a failure; ends the process. */
export async function runServer(flags: Flags, routes?: ReadonlyMap<string, HttpRoute>): Promise<void> {
  try {
    await startProcess(readConfig(flags, process.env), routes);
  } catch (error) {
    fail(error);
  }
}

async function startProcess(config: Config, routes: ReadonlyMap<string, HttpRoute> | undefined): Promise<void> {
  const logger = makeLogger(config.logLevel, config.id);
  arm(logger);
  process.on("uncaughtException", (error) => {
    logger.error({ err: error }, "uncaught exception");
    process.exit(exitCodes.failure);
  });
  const hooks = { onHalt: (halt: { readonly exitCode: number; readonly reason: string }) => stopNow(halt.exitCode, halt.reason) };
  await demandPorts(config);
  const server = new ZabraServer(config, routes === undefined ? hooks : { ...hooks, routes }, logger);
  stopOnSignal(server);
  const bound = await server.start();
  const plain = bound.zookeeper === undefined ? "" : `, ZooKeeper ${formatAddress(bound.zookeeper)}`;
  const secure = bound.zookeeperTls === undefined ? "" : `, ZooKeeper over TLS ${formatAddress(bound.zookeeperTls)}`;
  process.stdout.write(`zabra server ${config.id}: ws://${formatAddress(bound.http)}${plain}${secure}\n`);
}

/** For tests of the server alone: see `failpoint.ts`. */
function arm(logger: Logger): void {
  const { ZABRA_FAILPOINTS: orders } = process.env;
  if (orders === undefined) return;
  const wrong = armFailpoints(orders);
  if (wrong !== undefined)
    throw new ConfigError("ZABRA_FAILPOINTS", `${wrong} is no NAME=crash, NAME=pause:MS or NAME=error, with @HIT or without`);
  logger.warn({ orders }, "failpoints are armed: this server is for tests");
}

function stopOnSignal(server: ZabraServer): void {
  let asked = false;
  const stop = (signal: NodeJS.Signals): void => {
    // A second signal does not wait: the log is durable anyway.
    if (asked) process.exit(exitCodes.stopped);
    asked = true;
    server.logger.info({ signal }, "stopping");
    void server.close().then(() => process.exit(exitCodes.stopped), fail);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

/** At once: after a failed write nothing may be tried again. */
function stopNow(exitCode: number, reason: string): void {
  process.stderr.write(`zabra: ${reason}\n`);
  process.exit(exitCode);
}

/** Any failure to start or stop, in one line. */
export function fail(error: unknown): never {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`zabra: ${message}\n`);
  process.exit(error instanceof ConfigError ? error.exitCode : exitCodes.failure);
}
