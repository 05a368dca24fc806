/**
 * The HTTP port: probes, status, and the upgrade to the client protocol. `/livez` says that the process
 * turns, `/readyz` that it serves (or, with 503, why not), `/status` what it knows of itself.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createNetServer } from "node:net";
import type { Duplex } from "node:stream";
import { type Address, ConfigError, formatAddress } from "./config.ts";
import type { HostPolicy } from "./host-policy.ts";

export type HttpRoute = (request: IncomingMessage, response: ServerResponse) => void;

export interface HttpOptions {
  readonly address: Address;
  readonly policy: HostPolicy;
  readonly connectionsMax: number;
  /** By path; GET and HEAD alone. */
  readonly routes: ReadonlyMap<string, HttpRoute>;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

const headerBytesMax = 8 * 1024;
const headersMax = 64;
const headersMs = 5_000;
/** Room for probes when clients have used up theirs. */
const reservedConnections = 64;

export class HttpListener {
  readonly #server: Server;
  readonly #options: HttpOptions;

  constructor(options: HttpOptions) {
    this.#options = options;
    this.#server = createServer({
      maxHeaderSize: headerBytesMax,
      headersTimeout: headersMs,
      requestTimeout: headersMs,
      keepAliveTimeout: headersMs,
      connectionsCheckingInterval: 1_000,
    });
    this.#server.maxHeadersCount = headersMax;
    this.#server.maxConnections = options.connectionsMax + reservedConnections;
    this.#server.on("request", (request, response) => this.#request(request, response));
    this.#server.on("upgrade", (request, socket, head) => options.upgrade(request, socket, head));
    this.#server.on("clientError", (_error, socket) => refuseMalformed(socket));
  }

  /** Resolves with the address bound, the port filled in. */
  listen(): Promise<Address> {
    return listenOn(this.#server, this.#options.address, "http");
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeAllConnections();
    await closed;
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    response.on("error", () => response.destroy());
    if (!this.#options.policy.isKnownHost(request.headers.host))
      return sendText(response, 403, "the Host is not a name of this server (--allow-host)");
    if (request.method !== "GET" && request.method !== "HEAD") return sendText(response, 405, "GET and HEAD only");
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    const route = this.#options.routes.get(path);
    if (route === undefined) return sendText(response, 404, "not found");
    route(request, response);
  }
}

export function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" });
  response.end(`${text}\n`);
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" });
  response.end(`${JSON.stringify(value)}\n`);
}

function refuseMalformed(socket: Duplex): void {
  if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
  else socket.destroy();
}

interface Listening {
  listen(options: { readonly host: string; readonly port: number }): unknown;
  address(): unknown;
  once(event: "error", listener: (error: NodeJS.ErrnoException) => void): unknown;
  once(event: "listening", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  removeAllListeners(event: "error"): unknown;
}

/** Listens, or throws a ConfigError that names the setting and the address. */
export function listenOn(server: Listening, address: Address, setting: string): Promise<Address> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(new ConfigError(setting, listenSentence(error, address))));
    server.once("listening", () => {
      server.removeAllListeners("error");
      // accept() may fail later (too many files); that must not end the process.
      server.on("error", () => {});
      resolve({ host: address.host, port: boundPort(server.address(), address.port) });
    });
    server.listen({ host: address.host, port: address.port });
  });
}

/** Throws a ConfigError when the address cannot be listened on now. A port of 0 always can. */
export async function demandFree(address: Address | undefined, setting: string): Promise<void> {
  if (address === undefined || address.port === 0) return;
  const server = createNetServer();
  await listenOn(server, address, setting);
  await new Promise((resolve) => server.close(resolve));
}

function boundPort(bound: unknown, fallback: number): number {
  if (typeof bound === "object" && bound !== null && "port" in bound && typeof bound.port === "number") return bound.port;
  return fallback;
}

function listenSentence(error: NodeJS.ErrnoException, address: Address): string {
  const where = formatAddress(address);
  switch (error.code) {
    case "EADDRINUSE":
      return `${where} is in use by another process`;
    case "EACCES":
      return `${where} needs more rights than this process has`;
    case "EADDRNOTAVAIL":
      return `${where} is not an address of this machine`;
    default:
      return `cannot listen on ${where}: ${error.message}`;
  }
}
