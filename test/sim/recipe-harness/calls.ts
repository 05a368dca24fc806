/** Notes which public members of the recipes' classes are used, so that a set of runs tells what of the recipes it plays was never tried. */
import * as recipes from "../../../client/recipes/index.ts";
import type { RecipeWorkload } from "./stage.ts";

const used = new Set<string>();

/** Every exported class, by its name. */
const classes: ReadonlyMap<string, object> = new Map(
  Object.entries(recipes).flatMap(([name, one]) => {
    const prototype: unknown = Object.getOwnPropertyDescriptor(one, "prototype")?.value;
    return typeof prototype === "object" && prototype !== null ? [[name, prototype]] : [];
  }),
);

/** From now on uses are noted. Once a process. */
export function noteUses(): void {
  for (const [name, prototype] of classes)
    for (const member of membersOf(prototype)) {
      const descriptor = Object.getOwnPropertyDescriptor(prototype, member) ?? {};
      const note = (): void => void used.add(`${name}.${member}`);
      const { get } = descriptor;
      const value: unknown = descriptor.value;
      if (get !== undefined)
        Object.defineProperty(prototype, member, {
          ...descriptor,
          get(): unknown {
            note();
            return get.call(this);
          },
        });
      else if (typeof value === "function")
        Object.defineProperty(prototype, member, {
          ...descriptor,
          value(...parameters: unknown[]): unknown {
            note();
            return Reflect.apply(value, this, parameters);
          },
        });
    }
}

function membersOf(prototype: object): readonly string[] {
  return Object.getOwnPropertyNames(prototype).filter((member) => member !== "constructor");
}

/** Begins a set of runs. */
export function forgetUses(): void {
  used.clear();
}

/** The members of what `workload` plays that were not used since. */
export function unusedOf({ plays }: RecipeWorkload): readonly string[] {
  return plays.flatMap((name) => {
    const prototype = classes.get(name);
    const members = prototype === undefined ? [] : membersOf(prototype);
    return members.map((member) => `${name}.${member}`).filter((member) => !used.has(member));
  });
}
