/**
 * The API reference, made from the declarations and docstrings that the build writes: a page for each entry point of the package, an entry for each
 * export, a line for each public member. So it is never older than the code. `npm run docs:api` writes the pages; a test holds that nothing is undocumented.
 */
import { readFileSync } from "node:fs";
import ts from "typescript";

export interface ApiEntry {
  readonly name: string;
  /** `class`, `function` … */
  readonly kind: string;
  /** As TypeScript has it, without a body. */
  readonly signature: string;
  readonly text: string;
  readonly members: readonly ApiMember[];
}

export interface ApiMember {
  readonly name: string;
  readonly signature: string;
  readonly text: string;
  /** A property or a getter may speak for itself. */
  readonly isMethod: boolean;
}

const kinds = new Map([
  [ts.SyntaxKind.ClassDeclaration, "class"],
  [ts.SyntaxKind.InterfaceDeclaration, "interface"],
  [ts.SyntaxKind.FunctionDeclaration, "function"],
  [ts.SyntaxKind.TypeAliasDeclaration, "type"],
]);

/** The exports of each of the built entry points (`….d.ts`), by name. */
export function apiOf(entryPoints: readonly string[]): readonly (readonly ApiEntry[])[] {
  const program = ts.createProgram(entryPoints, {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"],
    types: [],
    skipLibCheck: true,
    noEmit: true,
  });
  const checker = program.getTypeChecker();
  return entryPoints.map((entryPoint) => {
    const file = program.getSourceFile(entryPoint);
    const module = file === undefined ? undefined : checker.getSymbolAtLocation(file);
    if (module === undefined) throw new Error(`${entryPoint} is no module: run npm run build first`);
    const entries = checker.getExportsOfModule(module).flatMap((symbol) => entryOf(checker, symbol) ?? []);
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  });
}

/** What the package exports: as it is imported, and its declarations. */
export function entryPointsOf(root: string): readonly { readonly module: string; readonly declarations: string }[] {
  const { name, exports } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as Package;
  return Object.entries(exports).flatMap(([place, target]) =>
    typeof target === "string" ? [] : [{ module: `${name}${place.slice(1)}`, declarations: `${root}${target.types}` }],
  );
}

interface Package {
  readonly name: string;
  readonly exports: Readonly<Record<string, string | { readonly types: string }>>;
}

function entryOf(checker: ts.TypeChecker, symbol: ts.Symbol): ApiEntry | undefined {
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const declaration = target.declarations?.[0];
  if (declaration === undefined) return undefined;
  const text = textOf(checker, target);
  const kind = kinds.get(declaration.kind) ?? "value";
  const isShape = ts.isClassDeclaration(declaration) || ts.isInterfaceDeclaration(declaration);
  const members = isShape ? declaration.members.flatMap((member) => memberOf(checker, member) ?? []) : [];
  const signature = isShape ? headOf(declaration) : oneLine(declaration.getText());
  return { name: symbol.name, kind, signature, text, members };
}

function memberOf(checker: ts.TypeChecker, member: ts.ClassElement | ts.TypeElement): ApiMember | undefined {
  const { name } = member;
  if (ts.isConstructorDeclaration(member)) return constructorOf(checker, member);
  if (name === undefined || ts.isPrivateIdentifier(name) || member.getText().startsWith("private")) return undefined;
  const symbol = checker.getSymbolAtLocation(name);
  if (symbol?.getJsDocTags(checker).some((tag) => tag.name === "internal") === true) return undefined;
  const text = symbol === undefined ? "" : textOf(checker, symbol);
  const isMethod = ts.isMethodDeclaration(member) && !name.getText().startsWith("[Symbol.");
  return { name: name.getText(), signature: oneLine(member.getText()), text, isMethod };
}

/** One that says what to use in its place is not for users. */
function constructorOf(checker: ts.TypeChecker, member: ts.ConstructorDeclaration): ApiMember | undefined {
  const symbol = checker.getSymbolAtLocation(member.parent.name ?? member)?.members?.get(ts.InternalSymbolName.Constructor);
  const text = symbol === undefined ? "" : textOf(checker, symbol);
  if (text === "" || text.startsWith("Use ")) return undefined;
  return { name: "constructor", signature: oneLine(member.getText()), text, isMethod: true };
}

/** What comes before the members. */
function headOf(declaration: ts.ClassDeclaration | ts.InterfaceDeclaration): string {
  const text = declaration.getText();
  return oneLine(text.slice(0, text.indexOf("{")));
}

function oneLine(text: string): string {
  const line = text
    .replaceAll(/\s+/g, " ")
    .replace(/^export (?:declare )?/, "")
    .trim();
  return line.endsWith(";") ? line.slice(0, -1) : line;
}

function textOf(checker: ts.TypeChecker, symbol: ts.Symbol): string {
  const parameters = symbol
    .getJsDocTags(checker)
    .map(({ name, text }) => `@${name} ${ts.displayPartsToString(text)}`.replace(/^@param (\S+) /, "`$1`: "));
  return [ts.displayPartsToString(symbol.getDocumentationComment(checker)), ...parameters]
    .join(" ")
    .replaceAll(/\s+/g, " ")
    .trim();
}

/** `module`: as it is imported. */
export function pageOf(module: string, entries: readonly ApiEntry[]): string {
  const lines = [`# ${module}`, "", "Made by `npm run docs:api` from the docstrings.", ""];
  for (const { name, kind, signature, text, members } of entries) {
    lines.push(`## ${kind} \`${name}\``, "", "```ts", signature, "```", "");
    if (text !== "") lines.push(text, "");
    for (const member of members) lines.push(`- \`${member.signature}\`${member.text === "" ? "" : `: ${member.text}`}`);
    if (members.length > 0) lines.push("");
  }
  return lines.join("\n");
}

/** What a reader would have to guess. */
export function undocumented(entries: readonly ApiEntry[]): readonly string[] {
  return entries.flatMap(({ name, kind, text, members }) => [
    ...((kind === "class" || kind === "function") && text === "" ? [name] : []),
    ...members.filter((member) => member.isMethod && member.text === "").map((member) => `${name}.${member.name}`),
  ]);
}
