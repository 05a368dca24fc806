/**
 * Ports of 127.0.0.1 for the servers of tests, of which several processes run at once. Each process draws from blocks that it holds, by listening on a block's
 * first port for as long as it lives: a port that two draw at random, or one that somebody merely tries, is taken when its server wants it.
 *
 * All are below the range from which the kernel takes ports for outgoing connections: there, the port of a killed
 * server could be taken before it is back, and a client that dials it could be connected to itself.
 */
import { createServer, type Server } from "node:net";

const portMin = 12_000;
const blockPorts = 100;
const blocks = 200;
const triesMax = 1_000;

/** What is left of the newest block. */
let left: number[] = [];
let claiming: Promise<void> | undefined;

/** A port that no other process of tests draws while this one lives, and that is free now. Each is drawn once. */
export async function drawPort(): Promise<number> {
  for (;;) {
    const port = left.shift();
    if (port !== undefined && (await isFree(port))) return port;
    if (port !== undefined) continue;
    claiming ??= claimBlock().finally(() => {
      claiming = undefined;
    });
    await claiming;
  }
}

async function claimBlock(): Promise<void> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const first = portMin + blockPorts * Math.floor(Math.random() * blocks);
    const guard = await listen(first);
    if (guard === undefined) continue;
    guard.unref();
    left = Array.from({ length: blockPorts - 1 }, (_, i) => first + 1 + i);
    return;
  }
  throw new Error("every block of ports is in use");
}

export async function isFree(port: number): Promise<boolean> {
  const server = await listen(port);
  if (server === undefined) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
