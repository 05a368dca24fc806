/** The server commands as a program of their own, for tests that need a process. */
import { Command } from "commander";
import { addServerCommands } from "../../server/cli.ts";

const program = new Command("zabra");
addServerCommands(program);
await program.parseAsync();
