/** Splits a line of the shell into words as people expect of a shell: quotes and backslashes, and nothing else. Used by `shell.ts`. */
import { ZabraError } from "../error.ts";

const wordPattern = /"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\]+|\s+|["'\\]/gs;

/** Rejects an open quote with BAD_ARGUMENTS. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (const [part] of line.matchAll(wordPattern)) {
    if (/^\s/.test(part)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + unquoted(part);
  }
  if (word !== undefined) words.push(word);
  return words;
}

function unquoted(part: string): string {
  if (part === '"' || part === "'" || part === "\\")
    throw new ZabraError("BAD_ARGUMENTS", {
      detail: `the line ends inside ${part === "\\" ? "an escape" : `a quote (${part})`}`,
    });
  if (part.startsWith('"')) return part.slice(1, -1).replaceAll(/\\(["\\])/g, "$1");
  if (part.startsWith("'")) return part.slice(1, -1);
  return part.startsWith("\\") ? part.slice(1) : part;
}
