/** The server side of the `zabra` command line: `server`, `dev`, `recover`. Bad usage ends with exit code 64. */
import type { Command, CommanderError } from "commander";
import { exitCodes, settings } from "./config.ts";
import { runDev } from "./dev.ts";
import type { HttpRoute } from "./http.ts";
import { type Flags, fail, runServer } from "./main.ts";
import { recoverDirectory } from "./recover.ts";

/** `routes`: further pages of the HTTP port, such as the console's. */
export function addServerCommands(program: Command, routes?: ReadonlyMap<string, HttpRoute>): void {
  addServer(program, routes);
  addDev(program);
  addRecover(program);
}

function addServer(program: Command, routes: ReadonlyMap<string, HttpRoute> | undefined): void {
  const command = program.command("server").description("run one server of an ensemble").exitOverride(endUsage);
  for (const setting of settings) {
    command.option(
      setting.argument === undefined ? `--${setting.name}` : `--${setting.name} ${setting.argument}`,
      setting.description,
    );
  }
  command.option("--config <file>", "JSON file with any of these settings, and limits");
  command.action((options: Flags) => runServer(dashed(options), routes));
}

function addDev(program: Command): void {
  program
    .command("dev")
    .description("run an ensemble on this machine")
    .option("--servers <n>", "how many servers, 1 to 9", "3")
    .option("--data-dir <dir>", "where their data is kept", ".zabra")
    .option("--base-port <n>", "HTTP port of the first server", "2180")
    .option("--log-level <level>", "of the servers", "warn")
    .exitOverride(endUsage)
    .action((options: Flags) => runDev(dashed(options)));
}

function addRecover(program: Command): void {
  program
    .command("recover")
    .description("start an ensemble again from one surviving data directory, after a quorum is gone for good")
    .requiredOption("--accept-loss", "what was committed on the lost servers alone is lost")
    .requiredOption("--data-dir <dir>", "the best surviving data directory; its server is stopped")
    .exitOverride(endUsage)
    .action((options: Flags) => recover(String(options["dataDir"])));
}

async function recover(directory: string): Promise<void> {
  try {
    const { id, voters } = await recoverDirectory(directory);
    const others = voters.filter((voter) => voter !== id);
    const rest = others.length === 0 ? "" : ` Start server ${others.join(", ")} with an empty data directory.`;
    process.stdout.write(
      `${directory} is the beginning of a new ensemble of ${voters.join(", ")}. Start server ${id} as before.${rest}\n`,
    );
  } catch (error) {
    fail(error);
  }
}

/** commander has written its message already. Help and version end with 0. */
function endUsage(error: CommanderError): never {
  process.exit(error.exitCode === 0 ? exitCodes.stopped : exitCodes.usage);
}

/** commander's camelCase back to the names of the settings. */
function dashed(options: Flags): Flags {
  const flags: Record<string, string | boolean | undefined> = {};
  for (const [name, value] of Object.entries(options))
    flags[name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)] = value;
  return flags;
}
