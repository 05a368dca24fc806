/** The rules of the house that no compiler or linter knows. Each check returns its findings as sentences; none is good. */
import ts from "typescript";
import { type Import, type Source, walk } from "./source.ts";

const fileLinesMax = 600;
const functionLinesMax = 70;

// ---- who may import whom

const siblings = ["src/zab", "src/log", "src/tree", "src/session", "src/watch"];
const core = ["src/model", "src/wire", "src/replica", ...siblings];

interface Direction {
  readonly values: readonly string[];
  /** More, as `import type`. */
  readonly types: readonly string[];
}

const sibling: Direction = { values: ["src/model"], types: siblings };

const directions: ReadonlyMap<string, Direction> = new Map([
  ["src/model", { values: [], types: [] }],
  ["src/zab", sibling],
  ["src/log", sibling],
  ["src/tree", sibling],
  ["src/session", sibling],
  ["src/watch", sibling],
  ["src/wire", { values: ["src/model", "proto/gen"], types: ["src/zab", "src/tree"] }],
  ["src/replica", { values: ["src/model", "src/wire", ...siblings], types: [] }],
  ["client", { values: ["src/model", "src/wire/client-codec.ts", "client/import"], types: [] }],
  // Reads ZooKeeper's protocol and files; nothing that runs in a browser may need it.
  [
    "client/import",
    { values: ["client", "src/model", "src/wire/cursor.ts", "src/wire/frame.ts", "src/wire/jute.ts"], types: [] },
  ],
  // `zabra.ts` is the one program that has both servers' and clients' commands.
  ["server", { values: [...core, "client/cli/program.ts"], types: [] }],
]);

/** `src/zab` of `src/zab/quorum.ts`, `client` of `client/cli/main.ts`. */
function partOf(path: string): string {
  const [first = "", second = ""] = path.split("/");
  if (path.startsWith("client/import/")) return "client/import";
  return first === "src" || first === "proto" ? `${first}/${second}` : first;
}

export function checkDirections(source: Source): string[] {
  const part = partOf(source.path);
  const direction = directions.get(part);
  if (direction === undefined) return [`${source.path}: ${part} has no rule for what it may import; add one`];
  const found: string[] = [];
  for (const one of source.imports) {
    const target = one.target;
    if (target === undefined || partOf(target) === part || permitted(direction, one, target)) continue;
    found.push(`${source.path} imports ${target}: ${part} may import ${sentence(direction)}`);
  }
  return found;
}

function permitted(direction: Direction, one: Import, target: string): boolean {
  const matches = (allowed: string) => allowed === target || allowed === partOf(target);
  return direction.values.some(matches) || (one.typeOnly && direction.types.some(matches));
}

function sentence({ values, types }: Direction): string {
  const some = values.length === 0 ? "nothing outside itself" : values.join(", ");
  return types.length === 0 ? some : `${some}; types of ${types.join(", ")}`;
}

// ---- the core is synchronous and deterministic

const bannedNames = new Set([
  ...["Date", "Promise", "WeakRef", "FinalizationRegistry", "Intl", "eval", "Function", "Atomics", "SharedArrayBuffer"],
  ...["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "performance", "process", "crypto", "globalThis"],
]);
const bannedMembers = new Set(["random", "localeCompare", "toLocaleString", "toLocaleLowerCase", "toLocaleUpperCase"]);

export function checkCore(source: Source): string[] {
  const found: string[] = [];
  walk(source.ast, (node) => {
    const banned = bannedIn(node);
    if (banned !== undefined)
      found.push(`${place(source, node)}: ${banned} is not for src/, which is synchronous and deterministic`);
  });
  for (const one of source.imports) {
    if (one.target === undefined) found.push(`${source.path}: imports ${one.specifier}, but src/ imports nothing outside itself`);
  }
  return found;
}

function bannedIn(node: ts.Node): string | undefined {
  if (node.kind === ts.SyntaxKind.AsyncKeyword) return "async";
  if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier !== undefined)) return "await";
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) return "import()";
  if (ts.isPropertyAccessExpression(node) && bannedMembers.has(node.name.text)) return bannedMember(node);
  return ts.isIdentifier(node) && bannedNames.has(node.text) && !isMemberName(node) ? node.text : undefined;
}

function bannedMember(node: ts.PropertyAccessExpression): string | undefined {
  if (node.name.text === "random") return node.expression.getText() === "Math" ? "Math.random" : undefined;
  return node.name.text;
}

/** `x.Date`, `{ Date: 1 }`: a name of our own, not the global. */
function isMemberName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  return ts.isClassElement(parent) || ts.isTypeElement(parent) || ts.isPropertyAssignment(parent) ? parent.name === node : false;
}

// ---- clients' timers

/** Where the real ones are, and what is no part of the library. */
const timersAllowed = /^client\/(?:timers|clock|websocket-transport)\.ts$|^client\/(?:cli|import)\/|^(?:src|server)\//;
const timerNames = new Set(["setTimeout", "setInterval", "setImmediate", "Date", "performance"]);

/** The client library reads no clock and sets no timer but by what it was given. */
export function checkTimers(source: Source): string[] {
  if (timersAllowed.test(source.path)) return [];
  const found: string[] = [];
  walk(source.ast, (node) => {
    const used = timerIn(node);
    if (used !== undefined) found.push(`${place(source, node)}: ${used}; wait by \`client.after\` or \`client.sleep\``);
  });
  return found;
}

function timerIn(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node) && node.name.text === "timeout" && node.expression.getText() === "AbortSignal")
    return "AbortSignal.timeout";
  const isUse = ts.isIdentifier(node) && timerNames.has(node.text) && !isMemberName(node) && !ts.isTypeQueryNode(node.parent);
  return isUse ? node.text : undefined;
}

// ---- what is shipped from test/

const shippedParts = ["src/", "client/", "server/", "test/sim/"];

/** What `entry` imports, directly or not, and the package does not contain. */
export function checkShipped(entry: string, sources: readonly Source[], dependencies: readonly string[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const found: string[] = [];
  const seen = new Set<string>();
  const visit = (path: string): void => {
    const source = byPath.get(path);
    if (seen.has(path) || source === undefined) return;
    seen.add(path);
    for (const { target, specifier } of source.imports) {
      if (target !== undefined && shippedParts.some((part) => target.startsWith(part))) visit(target);
      else if (target !== undefined || !(specifier.startsWith("node:") || dependencies.includes(specifier)))
        found.push(`${path}: imports ${specifier}, which is not shipped`);
    }
  };
  visit(entry);
  return found;
}

// ---- size

export function checkSize(source: Source): string[] {
  const found: string[] = [];
  const lines = source.text.split("\n").length - 1;
  if (lines > fileLinesMax) found.push(`${source.path}: ${lines} lines; a file has at most ${fileLinesMax}`);
  walk(source.ast, (node) => {
    if (!ts.isFunctionLike(node) || !("body" in node) || node.body === undefined) return;
    const length = lineOf(source, node.end) - lineOf(source, node.getStart()) + 1;
    if (length > functionLinesMax)
      found.push(`${place(source, node)}: ${length} lines; a function has at most ${functionLinesMax}`);
  });
  return found;
}

function lineOf(source: Source, position: number): number {
  return source.ast.getLineAndCharacterOfPosition(position).line + 1;
}

function place(source: Source, node: ts.Node): string {
  return `${source.path}:${lineOf(source, node.getStart())}`;
}

// ---- dead files

/** Files of src/ that no product code imports. `testOnly` are those that exist for tests. */
export function checkImported(sources: readonly Source[], testOnly: readonly string[]): string[] {
  const imported = new Set<string | undefined>(testOnly);
  for (const source of sources) for (const one of source.imports) imported.add(one.target);
  const dead = sources.filter((source) => source.path.startsWith("src/") && !imported.has(source.path));
  return dead.map((source) => `${source.path}: nothing imports it`);
}

// ---- words

/** Spelt apart, so that this file passes its own check. */
const unfinished = new RegExp(`\\b(${["TO", "FIX"].map((head) => head + (head === "TO" ? "DO" : "ME")).join("|")})\\b`);

export function checkFinished(path: string, text: string): string[] {
  const found: string[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (unfinished.test(line)) found.push(`${path}:${index + 1}: finish it, or open an issue`);
  }
  return found;
}

export function checkTitle(path: string, text: string): string[] {
  let fenced = false;
  let titles = 0;
  for (const line of text.split("\n")) {
    if (line.startsWith("```")) fenced = !fenced;
    else if (!fenced && line.startsWith("# ")) titles += 1;
  }
  return titles === 1 ? [] : [`${path}: ${titles} titles; a page has one`];
}

// ---- the map of the sources

/** `files`: all that exist. Paths in the map are from the top, or from src/; each file of src/ must be on it. */
export function checkMap(path: string, text: string, files: readonly string[], exists: (path: string) => boolean): string[] {
  const found: string[] = [];
  const named = new Set<string>();
  for (const { name, folders } of namesIn(text)) {
    const file = [name, `src/${name}`, ...folders.map((folder) => `${folder}/${name}`)].find(exists);
    if (file !== undefined) named.add(file);
    else if (folders.length > 0 || name.includes("/")) found.push(`${path}: names ${name}, which does not exist`);
  }
  for (const file of files) {
    if (file.startsWith("src/") && !named.has(file)) found.push(`${path}: does not name ${file}`);
  }
  return found;
}

/** Files that a walk names, with the folders that the heading above them names. */
function namesIn(text: string): { name: string; folders: string[] }[] {
  const names: { name: string; folders: string[] }[] = [];
  let folders: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) folders = [...line.matchAll(/`([\w/-]+)`/g)].map(([, folder = ""]) => folder);
    for (const [, name = ""] of line.matchAll(/`([\w./-]+\.ts)`/g)) names.push({ name, folders });
  }
  return names;
}
