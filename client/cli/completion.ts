/**
 * `zabra completion bash|zsh|fish`: a script for the user's own shell, to be evaluated there. It completes
 * commands and options, which it has inside, and paths by asking `zabra ls`. Used by `program.ts`.
 */
import { Argument, type Command } from "commander";
import { commandNames, optionNames } from "./completer.ts";
import { printLine } from "./output.ts";

export function addCompletion(program: Command): void {
  program
    .command("completion")
    .description("print a completion script for your shell: `source <(zabra completion bash)`")
    .addArgument(new Argument("<shell>").choices(["bash", "zsh", "fish"]))
    .exitOverride()
    .action((shell: string) => printLine(shell === "fish" ? fishScript(program) : bashScript(program, shell === "zsh")));
}

/** zsh runs it through its own `bashcompinit`. */
function bashScript(program: Command, zsh: boolean): string {
  const options = program.commands.map((command) => caseOf(command.name(), command));
  const nested = program.commands.flatMap((command) =>
    command.commands.map((each) => caseOf(`"${command.name()} ${each.name()}"`, each)),
  );
  return `${zsh ? "autoload -U +X bashcompinit && bashcompinit\n" : ""}_zabra() {
  local word="\${COMP_WORDS[COMP_CWORD]}" commands="" options=""
  if [ "$COMP_CWORD" = 1 ]; then commands="${commandNames(program, "").join(" ")}"; fi
  if [ "$COMP_CWORD" -gt 1 ]; then
    case "\${COMP_WORDS[1]}" in
${options.join("\n")}
    esac
    case "\${COMP_WORDS[1]} \${COMP_WORDS[2]}" in
${nested.join("\n")}
    esac
  fi
  if [ -n "$commands" ] && [ "$COMP_CWORD" -gt 2 ]; then commands=""; fi
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    /*)
      local parent="\${word%/*}"
      COMPREPLY=($(compgen -W "$(zabra ls "\${parent:-/}" --timeout 1000 2>/dev/null | sed "s|^|$parent/|")" -- "$word"))
      ;;
    *) COMPREPLY=($(compgen -W "$commands" -- "$word")) ;;
  esac
}
complete -o nospace -F _zabra zabra`;
}

function caseOf(pattern: string, command: Command): string {
  return `      ${pattern}) commands="${commandNames(command, "").join(" ")}" options="${optionNames(command, "").join(" ")}" ;;`;
}

function fishScript(program: Command): string {
  const lines = ["complete -c zabra -f"];
  for (const command of program.commands) {
    const name = command.name();
    lines.push(`complete -c zabra -n __fish_use_subcommand -a ${name} -d '${command.description().replaceAll("'", "\\'")}'`);
    for (const option of optionNames(command, "").filter((each) => each.startsWith("--")))
      lines.push(`complete -c zabra -n '__fish_seen_subcommand_from ${name}' -l ${option.slice(2)}`);
    for (const each of command.commands) {
      lines.push(`complete -c zabra -n '__fish_seen_subcommand_from ${name}' -a ${each.name()}`);
      for (const option of optionNames(each, "").filter((one) => one.startsWith("--")))
        lines.push(
          `complete -c zabra -n '__fish_seen_subcommand_from ${name}; and __fish_seen_subcommand_from ${each.name()}' -l ${option.slice(2)}`,
        );
    }
  }
  lines.push(
    'complete -c zabra -n \'string match -q "/*" -- (commandline -ct)\' -a \'(set -l p (string replace -r "/[^/]*$" "" -- (commandline -ct)); zabra ls (test -n "$p"; and echo $p; or echo /) --timeout 1000 2>/dev/null | string replace -r "^" "$p/")\'',
  );
  return lines.join("\n");
}
