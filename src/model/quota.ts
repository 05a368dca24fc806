/**
 * Quotas as ZooKeeper keeps them: for `/a`, the node `/zookeeper/quota/a/zookeeper_limits` holds the limits
 * as text, and `zookeeper_stats` beside it shows the usage. Creating the limits node puts the quota in force,
 * deleting it ends it. A soft limit is logged when it is passed, a hard one refuses. Servers and the command
 * line share the paths and the text.
 */

/** −1: none. A count includes the node itself; bytes are those of data. */
export interface Quota {
  readonly count: number;
  readonly bytes: number;
  readonly countHardLimit: number;
  readonly byteHardLimit: number;
}

export const quotaRoot = "/zookeeper/quota";
const limitsName = "/zookeeper_limits";
const statsName = "/zookeeper_stats";

export const noQuota: Quota = { count: -1, bytes: -1, countHardLimit: -1, byteHardLimit: -1 };

export function limitsPathOf(path: string): string {
  return quotaRoot + path + limitsName;
}

export function statsPathOf(path: string): string {
  return quotaRoot + path + statsName;
}

/** The path whose quota this limits node holds; undefined for any other node, and for the root, which has none. */
export function limitedPath(path: string): string | undefined {
  return between(path, limitsName);
}

/** The path whose usage this stats node shows. */
export function countedPath(path: string): string | undefined {
  return between(path, statsName);
}

export function isBelowQuotaRoot(path: string): boolean {
  return path.length > quotaRoot.length && path.startsWith(quotaRoot) && path[quotaRoot.length] === "/";
}

function between(path: string, name: string): string | undefined {
  const end = path.length - name.length;
  return end > quotaRoot.length && isBelowQuotaRoot(path) && path.endsWith(name) ? path.slice(quotaRoot.length, end) : undefined;
}

/** What cannot be read limits nothing. */
export function parseQuota(text: string): Quota {
  const values = new Map<string, number>();
  for (const pair of text.split(/[,;]+/)) {
    const [key = "", value = ""] = pair.split("=");
    if (/^-?\d{1,15}$/.test(value)) values.set(key, Number(value));
  }
  const read = (key: keyof Quota): number => Math.max(values.get(key) ?? -1, -1);
  return {
    count: read("count"),
    bytes: read("bytes"),
    countHardLimit: read("countHardLimit"),
    byteHardLimit: read("byteHardLimit"),
  };
}

/** The odd `=` before the hard limits keeps ZooKeeper's parsers of before 3.7 content. */
export function formatQuota(quota: Quota): string {
  const { count, bytes, countHardLimit, byteHardLimit } = quota;
  const hard = countHardLimit < 0 && byteHardLimit < 0;
  return formatUsage(count, bytes) + (hard ? "" : `=;byteHardLimit=${byteHardLimit};countHardLimit=${countHardLimit}`);
}

export function formatUsage(count: number, bytes: number): string {
  return `count=${count},bytes=${bytes}`;
}
