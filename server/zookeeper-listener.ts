/**
 * ZooKeeper's own wire protocol on a TCP port, for unmodified ZooKeeper clients. The first four bytes
 * tell a four-letter word from a session. Requests become the same messages as the native protocol's,
 * with `session` reads and without numbers of the client's (its reconnects do not resend).
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Inspection } from "../src/replica/inspection.ts";
import type { Status } from "../src/replica/status.ts";
import { Writer } from "../src/wire/cursor.ts";
import { type ClientConnections, handshakeMs, normalAddress } from "./client-connection.ts";
import type { Address } from "./config.ts";
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
  readonly settings: WordSettings;
}

const wordBytes = 4;
const wordLingerMs = 1_000;

export class ZooKeeperListener {
  readonly #address: Address;
  readonly #clients: ClientConnections;
  readonly #facts: ZooKeeperFacts;
  readonly #server: Server;
  /** Every socket, from accept on. */
  readonly #sockets = new Set<Socket>();
  readonly #writer = new Writer();
  readonly #transports = new Set<ZooKeeperTransport>();
  readonly #meter = new RequestMeter();

  constructor(address: Address, clients: ClientConnections, facts: ZooKeeperFacts) {
    this.#address = address;
    this.#clients = clients;
    this.#facts = facts;
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, (socket) =>
      this.#accept(socket),
    );
    this.#server.maxConnections = clients.host.limits.connections_max;
  }

  listen(): Promise<Address> {
    return listenOn(this.#server, this.#address, "zk");
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const socket of this.#sockets) socket.destroy();
    await closed;
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
        settings: { ...settings, port: this.#port() },
        readOnly: this.#facts.status().readOnly,
      }),
    );
    socket.resume();
    socket.setTimeout(wordLingerMs, () => socket.destroy());
  }

  #port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : this.#address.port;
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
