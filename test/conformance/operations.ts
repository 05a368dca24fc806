/**
 * Requests of ZooKeeper's clients as values: how each is written, called in a transcript, and how its
 * reply's body reads. A zxid, time or session id in a body becomes a mark that the transcript replaces.
 */
import { bool, buffer, int, type JuteReader, long, type Part, text, vector } from "./jute.ts";

export interface Operation {
  /** As the transcript calls it. */
  readonly name: string;
  readonly opcode: number;
  /** Undefined: the client counts. */
  readonly xid?: number;
  readonly body: readonly Part[];
  /** A write's reply has the zxid of its own change; a read's any that is not older. */
  readonly kind: "write" | "read" | "local";
  read(r: JuteReader): string;
}

export interface AclEntry {
  readonly perms: number;
  readonly scheme: string | undefined;
  readonly id: string | undefined;
}

export const anyone: readonly AclEntry[] = [{ perms: 31, scheme: "world", id: "anyone" }];
/** digest ids of `u:p`, `v:q`, and of `super:admin`, ZooKeeper's documentation's example. */
export const digestOfU = "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=";
export const superDigest = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=";

export function digestAcl(perms: number, id = digestOfU): readonly AclEntry[] {
  return [{ perms, scheme: "digest", id }];
}

export function aclPart(acl: readonly AclEntry[] | undefined): Part {
  return vector(acl?.map(({ perms, scheme, id }) => Buffer.concat([int(perms), text(scheme), text(id)])));
}

function aclName(acl: readonly AclEntry[] | undefined): string {
  if (acl === anyone) return "";
  return ` acl ${acl === undefined ? "null" : acl.map(({ perms, scheme, id }) => `${scheme}:${id}:${perms}`).join(",")}`;
}

// ---- what replies hold

export function readStat(r: JuteReader): string {
  const [czxid, mzxid, ctime, mtime] = [r.long(), r.long(), r.long(), r.long()];
  const [version, cversion, aversion] = [r.int(), r.int(), r.int()];
  const [owner, length, children, pzxid] = [r.long(), r.int(), r.int(), r.long()];
  const times = `{t:${ctime}:${mtime}:${version === 0 ? "same" : "later"}}`;
  return `stat{c={z${czxid}} m={z${mzxid}} p={z${pzxid}} ${times} v=${version} cv=${cversion} av=${aversion} owner={s${owner}} len=${length} n=${children}}`;
}

export function quoted(bytes: Buffer | undefined): string {
  if (bytes === undefined) return "null";
  return bytes.length > 64 ? `${bytes.length} bytes` : JSON.stringify(bytes.toString("utf8"));
}

export function readAcl(r: JuteReader): string {
  return `acl[${r.vector(() => `${r.int()}:${r.text()}:${r.text()}`).join(" ")}]`;
}

/** ZooKeeper keeps children in no order: sorted here. */
export function readNames(r: JuteReader): string {
  return `[${r
    .vector(() => r.text())
    .sort()
    .join(" ")}]`;
}

function nothing(): string {
  return "";
}

function quotePath(path: string | Buffer | undefined): string {
  return path === undefined ? "null" : JSON.stringify(path.toString());
}

function operation(
  kind: Operation["kind"],
  opcode: number,
  name: string,
  body: readonly Part[],
  read: Operation["read"] = nothing,
): Operation {
  return { kind, opcode, name, body, read };
}

export type Path = string | Buffer | undefined;

// ---- writes

const createNames: ReadonlyMap<number, string> = new Map([
  [1, "create"],
  [15, "create2"],
  [19, "createContainer"],
  [21, "createTTL"],
]);

export interface CreateOptions {
  readonly data?: string | Buffer | undefined;
  readonly acl?: readonly AclEntry[] | undefined;
  readonly flags?: number;
  readonly ttl?: bigint | number;
}

export function createAs(opcode: number, path: Path, options: CreateOptions = {}): Operation {
  const acl = "acl" in options ? options.acl : anyone;
  const data = "data" in options ? options.data : "x";
  const flags = options.flags ?? (opcode === 19 ? 4 : opcode === 21 ? 5 : 0);
  const ttl = opcode === 21 ? [long(options.ttl ?? 100_000)] : [];
  const words = [
    createNames.get(opcode),
    quotePath(path),
    ...(flags === 0 ? [] : [`flags ${flags}`]),
    ...(opcode === 21 ? [`ttl ${options.ttl ?? 100_000}`] : []),
    ...(data === "x" ? [] : [data === undefined ? "null" : `${data.length} bytes`]),
  ];
  return operation(
    "write",
    opcode,
    words.join(" ") + aclName(acl),
    [text(path), buffer(data), aclPart(acl), int(flags), ...ttl],
    (r) => (opcode === 1 ? quotePath(r.text()) : `${quotePath(r.text())} ${readStat(r)}`),
  );
}

export function create(path: Path, options: CreateOptions = {}): Operation {
  return createAs(1, path, options);
}
export function create2(path: Path, options: CreateOptions = {}): Operation {
  return createAs(15, path, options);
}
export function createContainer(path: Path, options: CreateOptions = {}): Operation {
  return createAs(19, path, options);
}
export function createTtl(path: Path, options: CreateOptions = {}): Operation {
  return createAs(21, path, options);
}

export function remove(path: Path, version = -1): Operation {
  return operation("write", 2, `delete ${quotePath(path)} v${version}`, [text(path), int(version)]);
}

export function deleteContainer(path: Path): Operation {
  return operation("write", 20, `deleteContainer ${quotePath(path)}`, [text(path)]);
}

export function setData(path: Path, data: string | Buffer | undefined = "y", version = -1): Operation {
  const shown = data === "y" ? "" : data === undefined ? " null" : ` ${data.length} bytes`;
  return operation(
    "write",
    5,
    `setData ${quotePath(path)} v${version}${shown}`,
    [text(path), buffer(data), int(version)],
    readStat,
  );
}

export function setAcl(path: Path, acl: readonly AclEntry[] | undefined = anyone, version = -1): Operation {
  return operation(
    "write",
    7,
    `setACL ${quotePath(path)} v${version}${aclName(acl)}`,
    [text(path), aclPart(acl), int(version)],
    readStat,
  );
}

export function check(path: Path, version = -1): Operation {
  return operation("write", 13, `check ${quotePath(path)} v${version}`, [text(path), int(version)]);
}

export function closeSession(): Operation {
  return operation("write", -11, "closeSession", []);
}

export function reconfig(
  joining: string | undefined,
  leaving: string | undefined,
  members: string | undefined,
  configId = -1,
): Operation {
  return operation(
    "write",
    16,
    `reconfig ${joining}/${leaving}/${members}${configId === -1 ? "" : ` v${configId}`}`,
    [text(joining), text(leaving), text(members), long(configId)],
    (r) => `${quoted(r.buffer())} ${readStat(r)}`,
  );
}

// ---- reads

function watched(watch: boolean): string {
  return watch ? " watch" : "";
}

export function exists(path: Path, watch = false): Operation {
  return operation("read", 3, `exists ${quotePath(path)}${watched(watch)}`, [text(path), bool(watch)], readStat);
}

export function getData(path: Path, watch = false): Operation {
  return operation(
    "read",
    4,
    `getData ${quotePath(path)}${watched(watch)}`,
    [text(path), bool(watch)],
    (r) => `${quoted(r.buffer())} ${readStat(r)}`,
  );
}

export function getAcl(path: Path): Operation {
  return operation("read", 6, `getACL ${quotePath(path)}`, [text(path)], (r) => `${readAcl(r)} ${readStat(r)}`);
}

export function getChildren(path: Path, watch = false): Operation {
  return operation("read", 8, `getChildren ${quotePath(path)}${watched(watch)}`, [text(path), bool(watch)], readNames);
}

export function getChildren2(path: Path, watch = false): Operation {
  return operation(
    "read",
    12,
    `getChildren2 ${quotePath(path)}${watched(watch)}`,
    [text(path), bool(watch)],
    (r) => `${readNames(r)} ${readStat(r)}`,
  );
}

export function sync(path: Path): Operation {
  return operation("read", 9, `sync ${quotePath(path)}`, [text(path)], (r) => quotePath(r.text()));
}

export function getEphemerals(prefix: Path): Operation {
  return operation("read", 103, `getEphemerals ${quotePath(prefix)}`, [text(prefix)], readNames);
}

export function getAllChildrenNumber(path: Path): Operation {
  return operation("read", 104, `getAllChildrenNumber ${quotePath(path)}`, [text(path)], (r) => String(r.int()));
}

/** ZooKeeper keeps identities in no order: sorted here. */
function readIdentities(r: JuteReader): string {
  return r
    .vector(() => `${r.text()}:${r.text()}`)
    .sort()
    .join(" ");
}

export function whoAmI(): Operation {
  return operation("read", 107, "whoAmI", [], readIdentities);
}

// ---- the connection's own

export function ping(): Operation {
  return { ...operation("local", 11, "ping", []), xid: -2 };
}

export function auth(scheme: string | undefined, credentials: string | undefined): Operation {
  return { ...operation("local", 100, `auth ${scheme} ${credentials}`, [int(0), text(scheme), buffer(credentials)]), xid: -4 };
}

export function sasl(token: string | undefined): Operation {
  return operation("local", 102, `sasl ${JSON.stringify(token)}`, [buffer(token)], (r) => quoted(r.buffer()));
}

export function addWatch(path: Path, mode: number): Operation {
  return operation("read", 106, `addWatch ${quotePath(path)} mode ${mode}`, [text(path), int(mode)], (r) => `error ${r.int()}`);
}

export function removeWatches(path: Path, type: number): Operation {
  return operation("read", 18, `removeWatches ${quotePath(path)} type ${type}`, [text(path), int(type)]);
}

export function checkWatches(path: Path, type: number): Operation {
  return operation("read", 17, `checkWatches ${quotePath(path)} type ${type}`, [text(path), int(type)]);
}

export interface WatchLists {
  readonly data?: readonly string[];
  readonly exist?: readonly string[];
  readonly child?: readonly string[];
  readonly persistent?: readonly string[];
  readonly recursive?: readonly string[];
}

/** `sinceName`: what the transcript calls the zxid. */
export function setWatches(since: bigint, sinceName: string, lists: WatchLists): Operation {
  const two = lists.persistent !== undefined || lists.recursive !== undefined;
  const list = (paths: readonly string[] | undefined): Part => vector((paths ?? []).map((path) => text(path)));
  const body = [long(since), list(lists.data), list(lists.exist), list(lists.child)];
  if (two) body.push(list(lists.persistent), list(lists.recursive));
  const shown = Object.entries(lists).map(([name, paths]) => ` ${name}[${paths.join(" ")}]`);
  const name = `setWatches${two ? "2" : ""} since ${sinceName}${shown.join("")}`;
  return { ...operation("read", two ? 105 : 101, name, body), xid: -8 };
}

// ---- multi

const errorType = -1;

function multiBody(operations: readonly Operation[]): Part[] {
  const parts = operations.flatMap((one) => [int(one.opcode), bool(false), int(-1), ...one.body]);
  return [...parts, int(-1), bool(true), int(-1)];
}

function readResults(r: JuteReader): string {
  const results: string[] = [];
  for (;;) {
    const [type, done, error] = [r.int(), r.bool(), r.int()];
    if (done) return `${results.join("; ")} end(${type},${error})`;
    results.push(`${type}(${error}) ${readResult(r, type)}`.trim());
  }
}

function readResult(r: JuteReader, type: number): string {
  switch (type) {
    case errorType:
      return errorName(r.int());
    case 1:
      return quotePath(r.text());
    case 15:
      return `${quotePath(r.text())} ${readStat(r)}`;
    case 5:
      return readStat(r);
    case 8:
      return readNames(r);
    case 4:
      return `${quoted(r.buffer())} ${readStat(r)}`;
    default:
      return "";
  }
}

export function multi(...operations: readonly Operation[]): Operation {
  const name = `multi{${operations.map((one) => one.name).join("; ")}}`;
  return operation("write", 14, name, multiBody(operations), readResults);
}

export function multiRead(...operations: readonly Operation[]): Operation {
  const name = `multiRead{${operations.map((one) => one.name).join("; ")}}`;
  return operation("read", 22, name, multiBody(operations), readResults);
}

/** Any opcode with any bytes. */
export function raw(name: string, opcode: number, ...body: readonly Part[]): Operation {
  return operation("read", opcode, name, body, (r) => `${r.left} bytes`);
}

// ---- errors

const errorNames: ReadonlyMap<number, string> = new Map([
  [0, "ok"],
  [-1, "SYSTEMERROR"],
  [-2, "RUNTIMEINCONSISTENCY"],
  [-4, "CONNECTIONLOSS"],
  [-5, "MARSHALLINGERROR"],
  [-6, "UNIMPLEMENTED"],
  [-7, "OPERATIONTIMEOUT"],
  [-8, "BADARGUMENTS"],
  [-13, "NEWCONFIGNOQUORUM"],
  [-14, "RECONFIGINPROGRESS"],
  [-101, "NONODE"],
  [-102, "NOAUTH"],
  [-103, "BADVERSION"],
  [-108, "NOCHILDRENFOREPHEMERALS"],
  [-110, "NODEEXISTS"],
  [-111, "NOTEMPTY"],
  [-112, "SESSIONEXPIRED"],
  [-114, "INVALIDACL"],
  [-115, "AUTHFAILED"],
  [-118, "SESSIONMOVED"],
  [-119, "NOTREADONLY"],
  [-121, "NOWATCHER"],
  [-123, "RECONFIGDISABLED"],
  [-124, "SESSIONCLOSEDREQUIRESASLAUTH"],
  [-125, "QUOTAEXCEEDED"],
  [-127, "THROTTLEDOP"],
]);

export function errorName(code: number): string {
  return errorNames.get(code) ?? String(code);
}
