/**
 * What a server is started with, from three places: a flag beats its `ZABRA_…` variable, which beats
 * the key of the JSON configuration file. Every mistake names the setting, where it came from and what
 * is allowed; a mistake on the command line is bad usage (exit 64), any other is bad configuration (78).
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { checkLimits, type Limits, productionLimits } from "../src/model/limits.ts";
import { epochMax, type ServerId } from "../src/model/zxid.ts";
import { defaultWords, words } from "./four-letter-words.ts";
import { type LogLevel, logLevels } from "./log.ts";

export const exitCodes = { stopped: 0, usage: 64, failure: 70, configuration: 78 } as const;

/** Why a server does not start with this configuration: names the setting and its bounds. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly field: string;
  readonly exitCode: 64 | 78;

  constructor(field: string, sentence: string, exitCode: 64 | 78 = exitCodes.configuration) {
    super(`${field}: ${sentence}`);
    this.field = field;
    this.exitCode = exitCode;
  }
}

export interface Address {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export interface ConfiguredMember {
  readonly id: ServerId;
  readonly host: string;
  readonly port: number;
  readonly observer: boolean;
}

/** What a port with TLS listens with; texts in PEM. */
export interface TlsFiles {
  /** The server's certificate, then those between it and its authority. */
  readonly cert: string;
  readonly key: string;
  /** Clients must show a certificate of one of these authorities; undefined: they need none. */
  readonly ca: string | undefined;
}

export interface SecureAddress extends Address, TlsFiles {}

export interface Config {
  readonly id: ServerId;
  readonly dataDirectory: string;
  /** Sorted by id; this server is among them. */
  readonly ensemble: readonly ConfiguredMember[];
  readonly rejoin: boolean;
  /** A fresh ensemble's first epoch is above this one; 0: any. */
  readonly foundAboveEpoch: number;
  readonly http: Address;
  /** undefined: off. */
  readonly zookeeper: Address | undefined;
  /** ZooKeeper's protocol over TLS; undefined: off. */
  readonly zookeeperTls: SecureAddress | undefined;
  /** undefined: an ensemble of one. */
  readonly peer: Address | undefined;
  readonly logLevel: LogLevel;
  readonly allowOrigins: readonly string[];
  /** Host names, besides loopback and the bound one, that a client may call this server by. */
  readonly allowHosts: readonly string[];
  readonly leaseReads: boolean;
  /** `super:BASE64`, as ZooKeeper's superDigest; undefined: nobody is super. */
  readonly superDigest: string | undefined;
  /** Passwords by user, for SASL on the ZooKeeper port. */
  readonly saslUsers: ReadonlyMap<string, string>;
  /** ZooKeeper's read-only mode. */
  readonly zookeeperReadOnly: boolean;
  /** Four-letter words that the ZooKeeper port answers. */
  readonly zookeeperWords: readonly string[];
  readonly limits: Limits;
}

interface Setting {
  /** The flag without dashes; also the key of the configuration file. */
  readonly name: string;
  readonly argument: string | undefined;
  readonly description: string;
}

/** One row a setting: flags, environment variables, the file's keys and the help text all come from here. */
export const settings: readonly Setting[] = [
  { name: "id", argument: "<n>", description: "this server's id, 1 to 255" },
  { name: "data-dir", argument: "<dir>", description: "where log and tree are kept" },
  {
    name: "ensemble",
    argument: "<members>",
    description: "1=HOST:PEERPORT,2=HOST:PEERPORT,…; :observer after a port for a member without a vote",
  },
  { name: "rejoin", argument: undefined, description: "let this wiped server join its founded ensemble again" },
  {
    name: "found-above-epoch",
    argument: "<n>",
    description:
      "a fresh ensemble's first epoch is above this one (give it to every server): for moving in, see docs/importing.md",
  },
  { name: "http", argument: "<host:port>", description: "client protocol and status (default 127.0.0.1:2180)" },
  { name: "zk", argument: "<host:port|off>", description: "ZooKeeper's wire protocol (default 127.0.0.1:2181)" },
  { name: "zk-tls", argument: "<host:port>", description: "ZooKeeper's wire protocol over TLS 1.2 and up (default: off)" },
  { name: "tls-cert", argument: "<file>", description: "certificate for --zk-tls, PEM, with those between it and its authority" },
  { name: "tls-key", argument: "<file>", description: "private key of --tls-cert, PEM, without a passphrase" },
  { name: "tls-ca", argument: "<file>", description: "authorities, PEM: clients of --zk-tls must show a certificate of one" },
  {
    name: "peer",
    argument: "<host:port>",
    description: "where to listen for other servers (default: this member's address in --ensemble)",
  },
  { name: "log-level", argument: "<level>", description: logLevels.join(", ") },
  {
    name: "allow-origin",
    argument: "<origins>",
    description: "web origins, separated by commas, that may open the client protocol",
  },
  {
    name: "allow-host",
    argument: "<hosts>",
    description: "further host names, separated by commas, by which clients call this server",
  },
  { name: "lease-reads", argument: "<on|off>", description: "off: every linearizable read asks a quorum" },
  {
    name: "zk-words",
    argument: "<words>",
    description: `four-letter words, separated by commas, answered besides ${defaultWords.join(", ")}; * for all`,
  },
  {
    name: "zk-read-only",
    argument: "<on|off>",
    description: "on: without a leader, serve reads to ZooKeeper clients that take a read-only server (default off)",
  },
  {
    name: "sasl-users",
    argument: "<file>",
    description: "JSON object of users and passwords: ZooKeeper clients may authenticate by SASL DIGEST-MD5",
  },
  { name: "super-digest", argument: "<super:base64>", description: "digest identity that passes every ACL" },
];

interface Given {
  readonly text: string;
  readonly field: string;
  readonly exitCode: 64 | 78;
}

/** Where values are looked up, strongest first; every getter names the source in its error. */
class Sources {
  readonly #flags: ReadonlyMap<string, string>;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #file: ReadonlyMap<string, string>;

  constructor(flags: ReadonlyMap<string, string>, environment: NodeJS.ProcessEnv, file: ReadonlyMap<string, string>) {
    this.#flags = flags;
    this.#environment = environment;
    this.#file = file;
  }

  get(name: string): Given | undefined {
    const flag = this.#flags.get(name);
    if (flag !== undefined) return { text: flag, field: `--${name}`, exitCode: exitCodes.usage };
    const variable = environmentName(name);
    const value = this.#environment[variable];
    if (value !== undefined && value !== "") return { text: value, field: variable, exitCode: exitCodes.configuration };
    const inFile = this.#file.get(name);
    return inFile === undefined
      ? undefined
      : { text: inFile, field: `${name} (configuration file)`, exitCode: exitCodes.configuration };
  }
}

export function environmentName(setting: string): string {
  return `ZABRA_${setting.toUpperCase().replaceAll("-", "_")}`;
}

/** `flags`: as given on the command line, names as in {@link settings}, `true` for a bare flag. */
export function readConfig(
  flags: Readonly<Record<string, string | boolean | undefined>>,
  environment: NodeJS.ProcessEnv,
): Config {
  const given = new Map<string, string>();
  for (const [name, value] of Object.entries(flags)) if (value !== undefined && value !== false) given.set(name, String(value));
  const path = given.get("config") ?? environment["ZABRA_CONFIG"];
  const file = path === undefined ? undefined : readConfigFile(path);
  const sources = new Sources(given, environment, file?.values ?? new Map());
  return buildConfig(sources, readLimits(file?.limits ?? {}));
}

function buildConfig(sources: Sources, limits: Limits): Config {
  const id = requiredInteger(sources, "id", 1, 255, "1");
  const dataDirectory = sources.get("data-dir")?.text;
  if (dataDirectory === undefined)
    throw new ConfigError("--data-dir", "is required: the directory where this server keeps its log and tree", exitCodes.usage);
  const ensemble = readEnsemble(sources, id);
  const own = ensemble.find((member) => member.id === id);
  const alone = ensemble.length === 1;
  return {
    id,
    dataDirectory,
    ensemble,
    rejoin: readSwitch(sources, "rejoin", false),
    foundAboveEpoch: requiredInteger(sources, "found-above-epoch", 0, epochMax - 1, "0"),
    http: readAddress(sources, "http") ?? { host: "127.0.0.1", port: 2180 },
    zookeeper: isOff(sources, "zk") ? undefined : (readAddress(sources, "zk") ?? { host: "127.0.0.1", port: 2181 }),
    zookeeperTls: readSecureAddress(sources),
    peer: alone || own === undefined ? undefined : (readAddress(sources, "peer") ?? { host: own.host, port: own.port }),
    logLevel: readLogLevel(sources),
    allowOrigins: readOrigins(sources),
    allowHosts: readList(sources, "allow-host"),
    leaseReads: readSwitch(sources, "lease-reads", true),
    superDigest: readSuperDigest(sources),
    saslUsers: readSaslUsers(sources),
    zookeeperReadOnly: readSwitch(sources, "zk-read-only", false),
    zookeeperWords: readWords(sources),
    limits,
  };
}

function requiredInteger(sources: Sources, name: string, min: number, max: number, fallback: string): number {
  const given = sources.get(name) ?? { text: fallback, field: `--${name}`, exitCode: exitCodes.usage };
  const value = parseInteger(given.text);
  if (value === undefined || value < min || value > max) throw wrong(given, `must be a whole number from ${min} to ${max}`);
  return value;
}

function readEnsemble(sources: Sources, id: ServerId): readonly ConfiguredMember[] {
  const given = sources.get("ensemble");
  if (given === undefined) return [{ id, host: "127.0.0.1", port: 0, observer: false }];
  const members = given.text.split(",").map((text) => parseMember(text.trim(), given));
  members.sort((a, b) => a.id - b.id);
  for (let i = 1; i < members.length; i += 1) {
    if (members[i]?.id === members[i - 1]?.id) throw wrong(given, `names server ${members[i]?.id} twice`);
  }
  if (!members.some((member) => member.id === id)) throw wrong(given, `does not name this server, ${id}`);
  if (members.every((member) => member.observer)) throw wrong(given, "needs at least one member that is not an observer");
  return members;
}

const memberForm = "each member must be ID=HOST:PORT or ID=HOST:PORT:observer";

function parseMember(text: string, given: Given): ConfiguredMember {
  const equals = text.indexOf("=");
  const id = parseInteger(text.slice(0, equals));
  if (equals < 1 || id === undefined || id < 1 || id > 255)
    throw wrong(given, `${memberForm}, with ids from 1 to 255; got "${text}"`);
  const observer = text.endsWith(":observer");
  const rest = text.slice(equals + 1, observer ? text.length - ":observer".length : undefined);
  const address = parseAddress(rest);
  if (address === undefined || address.port === 0) throw wrong(given, `${memberForm}, with ports from 1 to 65535; got "${text}"`);
  return { id, ...address, observer };
}

function readAddress(sources: Sources, name: string): Address | undefined {
  const given = sources.get(name);
  if (given === undefined) return undefined;
  const address = parseAddress(given.text);
  if (address === undefined) throw wrong(given, "must be HOST:PORT with a port from 0 to 65535");
  return address;
}

/** `host:port` or `[v6]:port`. */
export function parseAddress(text: string): Address | undefined {
  const colon = text.lastIndexOf(":");
  if (colon < 1) return undefined;
  const port = parseInteger(text.slice(colon + 1));
  const bracketed = text.startsWith("[");
  const host = bracketed ? text.slice(1, colon - 1) : text.slice(0, colon);
  if (bracketed && text[colon - 1] !== "]") return undefined;
  if (host.length === 0 || (!bracketed && host.includes(":"))) return undefined;
  return port === undefined || port > 65_535 ? undefined : { host, port };
}

export function formatAddress(address: Address): string {
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function isOff(sources: Sources, name: string): boolean {
  return sources.get(name)?.text === "off";
}

function readSwitch(sources: Sources, name: string, fallback: boolean): boolean {
  const given = sources.get(name);
  if (given === undefined) return fallback;
  if (given.text === "on" || given.text === "true") return true;
  if (given.text === "off" || given.text === "false") return false;
  throw wrong(given, "must be on or off");
}

function readLogLevel(sources: Sources): LogLevel {
  const given = sources.get("log-level");
  if (given === undefined) return "info";
  const level = logLevels.find((known) => known === given.text);
  if (level === undefined) throw wrong(given, `must be one of ${logLevels.join(", ")}`);
  return level;
}

function readList(sources: Sources, name: string): readonly string[] {
  const text = sources.get(name)?.text ?? "";
  return text
    .split(",")
    .map((part) => part.trim().toLowerCase())
    .filter((part) => part.length > 0);
}

function readOrigins(sources: Sources): readonly string[] {
  const given = sources.get("allow-origin");
  const origins = readList(sources, "allow-origin");
  for (const origin of origins) {
    const valid = URL.canParse(origin) && new URL(origin).origin === origin;
    if (!valid && given !== undefined)
      throw wrong(given, `must be origins such as https://example.org, with no path; got "${origin}"`);
  }
  return origins;
}

function readWords(sources: Sources): readonly string[] {
  const given = sources.get("zk-words");
  if (given === undefined) return defaultWords;
  if (given.text.trim() === "*") return words;
  const named = readList(sources, "zk-words");
  for (const word of named) if (!words.includes(word)) throw wrong(given, `must name some of ${words.join(", ")}, or be *`);
  return [...new Set([...defaultWords, ...named])];
}

function readSuperDigest(sources: Sources): string | undefined {
  const given = sources.get("super-digest");
  if (given === undefined) return undefined;
  // The value is a secret of sorts: it is not repeated.
  if (!/^super:[A-Za-z0-9+/]{27}=$/.test(given.text))
    throw new ConfigError(given.field, "must be super: and the base64 of a SHA-1", given.exitCode);
  return given.text;
}

/** Secrets, so they come from a file of their own, and what is wrong is told without them. */
function readSaslUsers(sources: Sources): ReadonlyMap<string, string> {
  const given = sources.get("sasl-users");
  const users = new Map<string, string>();
  if (given === undefined) return users;
  for (const [user, password] of Object.entries(parseJsonFile(given.field, given.text, given.exitCode))) {
    if (typeof password !== "string" || user === "")
      throw new ConfigError(given.field, `${given.text} must give each user a password, a string`, given.exitCode);
    users.set(user, password);
  }
  return users;
}

// ---- TLS

function readSecureAddress(sources: Sources): SecureAddress | undefined {
  if (sources.get("zk-tls") === undefined || isOff(sources, "zk-tls")) {
    for (const name of ["tls-cert", "tls-key", "tls-ca"]) {
      const given = sources.get(name);
      if (given !== undefined) throw new ConfigError(given.field, "is of no use without --zk-tls HOST:PORT", given.exitCode);
    }
    return undefined;
  }
  const address = readAddress(sources, "zk-tls") ?? { host: "", port: 0 };
  const [cert, certificate] = readPem(sources, "tls-cert", (pem) => new X509Certificate(pem));
  const [key, privateKey] = readPem(sources, "tls-key", (pem) => createPrivateKey(pem));
  const given = sources.get("tls-key");
  if (given !== undefined && !certificate.checkPrivateKey(privateKey))
    throw wrong(given, "must be the key of the certificate in --tls-cert");
  const ca = sources.get("tls-ca") === undefined ? undefined : readPem(sources, "tls-ca", (pem) => new X509Certificate(pem))[0];
  return { ...address, cert, key, ca };
}

/** The text and what it says; of several certificates, the first. */
function readPem<T extends KeyObject | X509Certificate>(
  sources: Sources,
  name: string,
  parse: (pem: string) => T,
): readonly [pem: string, parsed: T] {
  const given = sources.get(name);
  if (given === undefined) throw new ConfigError(`--${name}`, "is required with --zk-tls: a file in PEM", exitCodes.usage);
  const fail = (reason: string): ConfigError => new ConfigError(given.field, `${given.text} ${reason}`, given.exitCode);
  let pem: string;
  try {
    pem = readFileSync(given.text, "utf8");
  } catch (error) {
    throw fail(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  try {
    return [pem, parse(pem)];
  } catch {
    // The reason might quote a secret, and says little.
    throw fail(name === "tls-key" ? "must hold a private key in PEM, without a passphrase" : "must hold a certificate in PEM");
  }
}

interface ConfigFile {
  readonly values: ReadonlyMap<string, string>;
  readonly limits: Readonly<Record<string, unknown>>;
}

function readConfigFile(path: string): ConfigFile {
  const parsed = parseJsonFile("--config", path);
  const values = new Map<string, string>();
  let limits: Readonly<Record<string, unknown>> = {};
  for (const [key, value] of Object.entries(parsed)) {
    if (key === "limits" && isRecord(value)) limits = value;
    else if (!settings.some((setting) => setting.name === key))
      throw new ConfigError(path, `has no setting "${key}"; known are ${settings.map((s) => s.name).join(", ")}, limits`);
    else if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") values.set(key, String(value));
    else if (Array.isArray(value) && value.every((part) => typeof part === "string")) values.set(key, value.join(","));
    else throw new ConfigError(path, `"${key}" must be a string, a number, a boolean or a list of strings`);
  }
  return { values, limits };
}

function parseJsonFile(field: string, path: string, exitCode: 64 | 78 = exitCodes.configuration): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    // A syntax error quotes what it stumbled over, which may be a secret.
    const reason = error instanceof SyntaxError ? "it is not JSON" : error instanceof Error ? error.message : String(error);
    throw new ConfigError(field, `${path} cannot be read: ${reason}`, exitCode);
  }
  if (!isRecord(value)) throw new ConfigError(field, `${path} must hold a JSON object`, exitCode);
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Replaces limits by name, and checks the relations between them. */
export function readLimits(changes: Readonly<Record<string, unknown>>): Limits {
  for (const [name, value] of Object.entries(changes)) {
    if (!Object.hasOwn(productionLimits, name)) throw new ConfigError(`limits.${name}`, "is not a limit");
    if (typeof value !== "number" || !Number.isFinite(value) || value < 0)
      throw new ConfigError(`limits.${name}`, "must be a number that is not negative");
  }
  const limits: Limits = { ...productionLimits, ...changes };
  try {
    checkLimits(limits);
  } catch (error) {
    throw new ConfigError("limits", error instanceof Error ? error.message : String(error));
  }
  return limits;
}

function parseInteger(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function wrong(given: Given, sentence: string): ConfigError {
  return new ConfigError(given.field, `${sentence} (got "${given.text}")`, given.exitCode);
}
