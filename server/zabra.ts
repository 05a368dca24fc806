#!/usr/bin/env node
/** The `zabra` command: clients' commands from `client/cli`, servers' from `server/cli`, in one program. */
import { Command } from "commander";
import { addClientCommands, clientCommands, runProgram } from "../client/cli/program.ts";
import { version } from "./version.ts";

// Without a command, people at a terminal get the shell, and scripts the help.
if (process.argv.length === 2 && process.stdin.isTTY === true) process.argv.push("shell");
const program = new Command("zabra")
  .description(
    "A coordination service: znodes, watches, locks and leader leases.\nStart an ensemble on this machine with `zabra dev`, then try `zabra create /hello world`.",
  )
  .version(version);
addClientCommands(program);
// A client command does not wait for the server's code (and LMDB) to load.
if (!clientCommands.has(process.argv[2] ?? "")) (await import("./cli.ts")).addServerCommands(program);
await runProgram(program);
