/** `zabra registry ls [service]`: which services there are, and which instances of one. */
import type { Command } from "commander";
import { nameOf } from "../../src/model/path.ts";
import type { Client } from "../client.ts";
import { unless } from "../error.ts";
import { discover } from "../recipes/discovery.ts";
import { registryRoot } from "../recipes/registry.ts";
import { type GlobalOptions, printJson, printLine } from "./output.ts";
import type { WithClient } from "./program.ts";

interface RegistryOptions extends GlobalOptions {
  readonly root: string;
}

export function addRegistryCommands(program: Command, globals: (command: Command) => Command, withClient: WithClient): void {
  const registry = program.command("registry").description("see services and their instances");
  globals(
    registry
      .command("ls [service]")
      .description("list the services, or the instances of one")
      .option("--root <path>", "the services' node", registryRoot),
  ).action((service: string | undefined, options: RegistryOptions) =>
    withClient(options, (client) => (service === undefined ? services(client, options) : instances(client, service, options))),
  );
}

async function services(client: Client, options: RegistryOptions): Promise<void> {
  const listed = unless("NO_NODE", client.listPage(options.root, { pageSize: 10_000 }));
  for (const { path, stat } of (await listed)?.entries ?? []) {
    const count = stat.numChildren;
    if (options.json) printJson({ service: nameOf(path), instances: count });
    else printLine(`${nameOf(path).padEnd(20)} ${count} instance${count === 1 ? "" : "s"}`);
  }
}

async function instances(client: Client, service: string, options: RegistryOptions): Promise<void> {
  using discovery = await discover(client, service, { root: options.root, timeoutMs: Number(options.timeout) });
  for (const { id, status, weight, zone, payload } of discovery.instances) {
    if (options.json) printJson({ id, status, weight, zone, payload });
    else
      printLine(`${id.padEnd(20)} ${status.padEnd(10)} weight ${weight}  zone ${zone ?? "-"}  ${JSON.stringify(payload) ?? ""}`);
  }
  if (discovery.instances.length === 0 && !options.json) printLine("no instances");
}
