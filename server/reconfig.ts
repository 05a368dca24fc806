/**
 * Judges what ZooKeeper's reconfig asks for, in ZooKeeper's order: the version it builds on, its arguments, the right
 * to write /zookeeper/config, and whether it can be done. It never can: membership is fixed at founding. The
 * right is judged by the leader, like that of any write: the leader is asked to write the node with a version
 * that no node has, so that the refusal has its place and its zxid among the session's writes, whatever its
 * reason. Called by ZooKeeperTransport.
 */
import type { ErrorCode } from "../src/model/error.ts";
import { failure, type Outcome, type SetDataRequest } from "../src/model/request.ts";
import type { ZkReconfig } from "../src/wire/zookeeper-codec.ts";

/** Of the membership that /zookeeper/config shows. */
export const configVersion = 0;
const anyVersion = -1;
const noVersion = -2;

/** What the leader is asked. */
export const neverWritten: SetDataRequest = { type: "setData", path: "/zookeeper/config", data: undefined, version: noVersion };

/** What is wrong with the request itself; undefined: nothing. */
export function judgeReconfig(asked: ZkReconfig): ErrorCode | undefined {
  const { configId } = asked;
  if (configId !== anyVersion && configId !== configVersion) return "BAD_VERSION";
  return asked.members === undefined ? judgeChange(asked) : judgeMembers(asked.members);
}

/** `answered`: by the leader. `fault`: of {@link judgeReconfig}. */
export function reconfigOutcome(answered: Outcome, fault: ErrorCode | undefined): Outcome {
  if (answered.code !== "BAD_VERSION" && answered.code !== "NO_AUTH") return answered;
  if (fault !== undefined) return failure(fault);
  return answered.code === "NO_AUTH" ? answered : failure("RECONFIG_DISABLED");
}

/** What ZooKeeper cannot read as a number, and members without a voter, are MARSHALLING_ERROR, any other mistake BAD_ARGUMENTS. */
type Fault = Extract<ErrorCode, "BAD_ARGUMENTS" | "MARSHALLING_ERROR">;

function judgeChange({ joining, leaving }: ZkReconfig): Fault | undefined {
  for (const id of split(leaving ?? "", ",")) if (!isLong(id)) return "MARSHALLING_ERROR";
  for (const joiner of split(joining ?? "", ",")) {
    const [name, address, more] = split(joiner, "=");
    if (name === undefined || address === undefined || more !== undefined) return "BAD_ARGUMENTS";
    const fault = judgeServer(name, address);
    if (fault !== undefined) return fault;
    // Who joins says where clients find it.
    if (!address.includes(";")) return "BAD_ARGUMENTS";
  }
  return undefined;
}

/** All members, one a line or between commas, as in a file of properties. */
function judgeMembers(members: string): Fault | undefined {
  let voters = 0;
  for (const line of split(members.replaceAll(",", "\n"), "\n")) {
    const equals = line.indexOf("=");
    const name = line.slice(0, Math.max(equals, 0)).trim();
    if (name === "version" || name.startsWith("group") || name.startsWith("weight")) continue;
    if (!name.startsWith("server.")) return "BAD_ARGUMENTS";
    const address = line.slice(equals + 1).trim();
    const fault = judgeServer(name, address);
    if (fault !== undefined) return fault;
    if (!isObserver(address)) voters += 1;
  }
  return voters === 0 ? "MARSHALLING_ERROR" : undefined;
}

/** `server.ID` and `HOST:PORT:PORT[:ROLE][;[HOST:]PORT]`. */
function judgeServer(name: string, address: string): Fault | undefined {
  if (!isLong(name.slice(name.lastIndexOf(".") + 1))) return "MARSHALLING_ERROR";
  const [peers = "", client, more] = address.split(";");
  if (more !== undefined) return "BAD_ARGUMENTS";
  const clientPort = client === undefined ? undefined : clientPortForm.exec(client)?.[1];
  if (client !== undefined && clientPort === undefined) return "BAD_ARGUMENTS";
  const [, quorumPort, electionPort, role] = peersForm.exec(peers) ?? [];
  if (quorumPort === undefined || electionPort === undefined || quorumPort === electionPort) return "BAD_ARGUMENTS";
  if (role !== undefined && !/^(observer|participant)$/i.test(role.trim())) return "BAD_ARGUMENTS";
  return [clientPort ?? "0", quorumPort, electionPort].every((port) => Number(port) <= 65_535) ? undefined : "MARSHALLING_ERROR";
}

const host = String.raw`(?:\[[^\]]*\]|[^:[\]]*)`;
const peersForm = new RegExp(`^${host}:(\\d{1,9}):(\\d{1,9})(?::([^:]*))?$`);
const clientPortForm = new RegExp(`^(?:${host}:)?(\\d{1,9})$`);

function isObserver(address: string): boolean {
  return /:\s*observer\s*(?:;|$)/i.test(address);
}

function isLong(text: string): boolean {
  return /^[+-]?\d{1,19}$/.test(text);
}

/** Trimmed, without the empty ones. */
function split(text: string, separator: string): readonly string[] {
  return text
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
