/**
 * ZooKeeper's own wire protocol on a TCP port and, over TLS, on another, for unmodified ZooKeeper clients. The first four bytes
 * tell a four-letter word from a session. Requests become the same messages as the native protocol's,
 * with `session` reads and without numbers of the client's (its reconnects do not resend).
 *
 * A TLS handshake has handshakeMs, and there are at most handshakesMax of them at a time: they cost more than anything
 * else that a stranger can ask for. Behind it both ports are the same.
 */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import type { Inspection } from "../src/replica/inspection.ts";
import type { Status } from "../src/replica/status.ts";
import { Writer } from "../src/wire/cursor.ts";
import { type ClientConnections, handshakeMs, normalAddress } from "./client-connection.ts";
import type { Address, SecureAddress } from "./config.ts";
import { answerFourLetterWord, isFourLetterWord, type WordSettings } from "./four-letter-words.ts";
import { listenOn } from "./http.ts";
import { RequestMeter } from "./request-meter.ts";
import { ZooKeeperTransport } from "./zookeeper-transport.ts";

export interface ZooKeeperFacts {
  status(): Status;
  inspect(): Inspection;
  readonly voters: number;
  readonly observers: number;
  uptimeMs(): number;
  /** Four-letter words that are answered. */
  readonly words: ReadonlySet<string>;
  readonly settings: Omit<WordSettings, "port" | "securePort">;
}

const handshakesMax = 256;
const wordBytes = 4;
const wordLingerMs = 1_000;

export class ZooKeeperListener {
  readonly #address: Address | undefined;
  readonly #secureAddress: SecureAddress | undefined;
  readonly #clients: ClientConnections;
  readonly #facts: ZooKeeperFacts;
  readonly #server: Server;
  readonly #secureServer: Server;
  /** Every socket that speaks the protocol, from accept or the end of its handshake on. */
  readonly #sockets = new Set<Socket>();
  /** What carries TLS, from accept on. */
  readonly #carriers = new Set<Socket>();
  /** Those of `#sockets` that are carried. */
  #secured = 0;
  readonly #writer = new Writer();
  readonly #transports = new Set<ZooKeeperTransport>();
  readonly #meter = new RequestMeter();

  constructor(
    address: Address | undefined,
    secureAddress: SecureAddress | undefined,
    clients: ClientConnections,
    facts: ZooKeeperFacts,
  ) {
    this.#address = address;
    this.#secureAddress = secureAddress;
    this.#clients = clients;
    this.#facts = facts;
    const { connections_max } = clients.host.limits;
    this.#server = makeServer(connections_max, (socket) => this.#accept(socket));
    const shake = this.#handshaker();
    this.#secureServer = makeServer(connections_max, (socket) => this.#carry(socket, shake));
  }

  /** The plain port; undefined: it is off. */
  async listen(): Promise<Address | undefined> {
    return this.#address === undefined ? undefined : listenOn(this.#server, this.#address, "zk");
  }

  /** The port with TLS; undefined: it is off. */
  async listenSecurely(): Promise<Address | undefined> {
    return this.#secureAddress === undefined ? undefined : listenOn(this.#secureServer, this.#secureAddress, "zk-tls");
  }

  async close(): Promise<void> {
    const closed = [this.#server, this.#secureServer].map((server) => new Promise((resolve) => server.close(resolve)));
    for (const socket of [...this.#sockets, ...this.#carriers]) socket.destroy();
    await Promise.all(closed);
  }

  /** Begins a handshake on a socket; what comes of it is accepted. */
  #handshaker(): (socket: Socket) => void {
    if (this.#secureAddress === undefined) return (socket) => socket.destroy();
    const { cert, key, ca } = this.#secureAddress;
    const demanded = ca !== undefined;
    const options = { cert, key, ca, requestCert: demanded, rejectUnauthorized: demanded, minVersion: "TLSv1.2" } as const;
    const server = createTlsServer({ ...options, handshakeTimeout: handshakeMs });
    server.on("secureConnection", (socket: TLSSocket) => this.#acceptSecured(socket));
    server.on("tlsClientError", (error, socket) => {
      const { logger } = this.#clients.host;
      logger.info({ remote: normalAddress(socket.remoteAddress), reason: error.message }, "TLS handshake failed");
      socket.destroy();
    });
    return (socket) => server.emit("connection", socket);
  }

  #carry(socket: Socket, shake: (socket: Socket) => void): void {
    if (this.#carriers.size - this.#secured >= handshakesMax) {
      socket.destroy();
      return;
    }
    this.#carriers.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#carriers.delete(socket));
    shake(socket);
  }

  #acceptSecured(socket: Socket): void {
    this.#secured += 1;
    socket.on("close", () => {
      this.#secured -= 1;
    });
    this.#accept(socket);
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
    socket.setTimeout(handshakeMs, () => socket.destroy());
    this.#sniff(socket, Buffer.alloc(0));
  }

  #sniff(socket: Socket, before: Buffer): void {
    socket.once("data", (chunk: Buffer) => {
      const bytes = before.length === 0 ? chunk : Buffer.concat([before, chunk]);
      if (bytes.length < wordBytes) return this.#sniff(socket, bytes);
      const word = bytes.toString("latin1", 0, wordBytes);
      if (isFourLetterWord(word)) this.#answerWord(socket, word);
      else this.#openSession(socket, bytes);
    });
  }

  #answerWord(socket: Socket, word: string): void {
    const { voters, observers, words, settings } = this.#facts;
    socket.end(
      answerFourLetterWord(word, words, {
        status: this.#facts.status(),
        voters,
        observers,
        uptimeMs: this.#facts.uptimeMs(),
        meter: this.#meter,
        connections: [...this.#transports].map((transport) => transport.facts()),
        inspect: () => this.#facts.inspect(),
        settings: { ...settings, port: boundPort(this.#server), securePort: boundPort(this.#secureServer) },
        readOnly: this.#facts.status().readOnly,
      }),
    );
    socket.resume();
    socket.setTimeout(wordLingerMs, () => socket.destroy());
  }

  #openSession(socket: Socket, bytes: Buffer): void {
    // A ZooKeeper client takes a closed connection as "try another server".
    if (!this.#clients.hasRoom()) {
      socket.destroy();
      return;
    }
    socket.setTimeout(0);
    const transport = new ZooKeeperTransport(
      socket,
      normalAddress(socket.remoteAddress),
      this.#clients,
      this.#writer,
      this.#meter,
    );
    this.#transports.add(transport);
    socket.on("close", () => this.#transports.delete(transport));
    transport.data(bytes);
  }
}

function makeServer(connectionsMax: number, accept: (socket: Socket) => void): Server {
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, accept);
  server.maxConnections = connectionsMax;
  return server;
}

/** undefined: it does not listen. */
function boundPort(server: Server): number | undefined {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : undefined;
}
