/** lock and elect; completed with the recipes. */
import type { Command } from "commander";
import type { WithClient } from "./program.ts";

export function addLockCommands(_program: Command, _globals: (command: Command) => Command, _withClient: WithClient): void {}
