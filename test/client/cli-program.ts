/** The client commands of `zabra` alone, for `cli.test.ts`. */
import { Command } from "commander";
import { addClientCommands, runProgram } from "../../client/cli/program.ts";

const program = new Command("zabra");
addClientCommands(program);
await runProgram(program);
