/** What differs between two JSON values, leaf by leaf, for people to look at before they apply it. Used by `config-store.ts` and the `zabra config` command. */

export interface ConfigDifference {
  readonly type: "added" | "removed" | "changed";
  /** Where, such as `db.hosts.0`; empty for the whole value. */
  readonly at: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** `undefined` is no value. Equal values have no differences, whatever the order of their keys. */
export function differences(before: unknown, after: unknown): readonly ConfigDifference[] {
  const found: ConfigDifference[] = [];
  compare("", before, after, found);
  return found;
}

function compare(at: string, before: unknown, after: unknown, found: ConfigDifference[]): void {
  if (Object.is(before, after)) return;
  if (isBranch(before) && isBranch(after) && Array.isArray(before) === Array.isArray(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    for (const key of [...keys].sort()) compare(at === "" ? key : `${at}.${key}`, before[key], after[key], found);
  } else if (before === undefined) found.push({ type: "added", at, before, after });
  else if (after === undefined) found.push({ type: "removed", at, before, after });
  else found.push({ type: "changed", at, before, after });
}

function isBranch(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
