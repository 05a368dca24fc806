/** Parsed sources, and the files of the repository, for the tidy checks. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

export interface Import {
  /** As written: "./x.ts", "node:fs", "ws". */
  readonly specifier: string;
  /** From the top of the repository; undefined for packages. */
  readonly target: string | undefined;
  readonly typeOnly: boolean;
  readonly dynamic: boolean;
}

export interface Source {
  /** From the top of the repository, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly ast: ts.SourceFile;
  readonly imports: readonly Import[];
}

/** Works for the sources and for what is built below dist/. */
export const top = topOf(dirname(fileURLToPath(import.meta.url)));

function topOf(directory: string): string {
  return existsSync(join(directory, "package.json")) ? directory : topOf(dirname(directory));
}

export function parse(path: string, text: string): Source {
  const ast = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  const imports: Import[] = [];
  walk(ast, (node) => addImport(node, path, imports));
  return { path, text, ast, imports };
}

export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

function addImport(node: ts.Node, path: string, imports: Import[]): void {
  if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined) {
    if (ts.isStringLiteral(node.moduleSpecifier))
      imports.push(importOf(path, node.moduleSpecifier.text, isTypeOnly(node), false));
  } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const argument = node.arguments[0];
    imports.push(importOf(path, argument !== undefined && ts.isStringLiteral(argument) ? argument.text : "?", false, true));
  }
}

function importOf(path: string, specifier: string, typeOnly: boolean, dynamic: boolean): Import {
  const target = specifier.startsWith(".") ? posix.normalize(posix.join(posix.dirname(path), specifier)) : undefined;
  return { specifier, target, typeOnly, dynamic };
}

function isTypeOnly(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  const clause = node.importClause;
  if (clause === undefined) return false;
  if (clause.isTypeOnly) return true;
  const named = clause.namedBindings;
  if (clause.name !== undefined || named === undefined || !ts.isNamedImports(named)) return false;
  return named.elements.length > 0 && named.elements.every((element) => element.isTypeOnly);
}

const skipped = new Set(["node_modules", "dist", "gen"]);

/** Files below the folders that end so, sorted; nothing for a folder that does not exist. */
export function filesBelow(folders: readonly string[], ending: string): string[] {
  const found: string[] = [];
  for (const folder of folders) list(join(top, folder), ending, found);
  return found.sort();
}

function list(directory: string, ending: string, found: string[]): void {
  if (!existsSync(directory)) return;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.name.startsWith(".") || skipped.has(entry.name)) continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) list(path, ending, found);
    else if (entry.name.endsWith(ending)) found.push(relative(top, path).split(sep).join("/"));
  }
}

export function readText(path: string): string {
  return readFileSync(join(top, path), "utf8");
}

export function isFile(path: string): boolean {
  return existsSync(join(top, path));
}
