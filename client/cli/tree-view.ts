/** Draws a listing as a tree. Entries come in the order of `Client.list`, relative to its root. Used by `zabra ls --tree`. */

interface Branch {
  readonly children: Map<string, Branch>;
}

/** One line a node, in the order of first mention. */
export function treeLines(root: string, names: Iterable<string>): string[] {
  const top: Branch = { children: new Map() };
  for (const name of names) insert(top, name.split("/"));
  const lines = [root];
  draw(top, "", lines);
  return lines;
}

function insert(top: Branch, parts: readonly string[]): void {
  let branch = top;
  for (const part of parts) {
    let child = branch.children.get(part);
    if (child === undefined) {
      child = { children: new Map() };
      branch.children.set(part, child);
    }
    branch = child;
  }
}

function draw(branch: Branch, indent: string, lines: string[]): void {
  let left = branch.children.size;
  for (const [name, child] of branch.children) {
    left -= 1;
    lines.push(`${indent}${left === 0 ? "└── " : "├── "}${name}`);
    draw(child, `${indent}${left === 0 ? "    " : "│   "}`, lines);
  }
}
