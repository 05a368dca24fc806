/** Sets of paths by group, each member counted: it stays until it was dropped as often as it was added. Part of the overlay. */
import { must } from "../model/assert.ts";

export class TouchedSets<Group> {
  readonly #groups = new Map<Group, Map<string, number>>();

  add(group: Group, path: string): void {
    const members = this.#groups.get(group);
    if (members === undefined) this.#groups.set(group, new Map([[path, 1]]));
    else members.set(path, (members.get(path) ?? 0) + 1);
  }

  drop(group: Group, path: string): void {
    const members = must(this.#groups.get(group), "a dropped path's group is missing");
    const count = must(members.get(path), "a dropped path was not added");
    if (count > 1) members.set(path, count - 1);
    else members.delete(path);
    if (members.size === 0) this.#groups.delete(group);
  }

  members(group: Group): Iterable<string> {
    return this.#groups.get(group)?.keys() ?? [];
  }

  clear(): void {
    this.#groups.clear();
  }
}
