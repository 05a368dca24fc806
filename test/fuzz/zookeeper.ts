/**
 * The fuzzer of the ZooKeeper port: damaged sessions against a server in this process, while a witness with a
 * session, an ephemeral node and a watch goes on as if nothing were. A crash of the server is a crash of this
 * process; what else is wrong is thrown, with the number of the input, which with its seed makes it again.
 */
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { startServer } from "../../server/index.ts";
import { RawConnection } from "../conformance/connection.ts";
import { frame, int, type JuteReader } from "../conformance/jute.ts";
import { addWatch, auth, create, exists, getData, type Operation, setData } from "../conformance/operations.ts";
import { readSessions } from "../conformance/recording.ts";
import { connectFrame } from "../conformance/scene.ts";
import { Random } from "../support/random.ts";
import { damagedSession, type Session } from "./damage.ts";

export interface FuzzOptions {
  readonly seed: number;
  /** Inputs `first` … `first + inputs - 1` of the seed. */
  readonly first: number;
  readonly inputs: number;
  readonly onProgress?: (done: number) => void;
}

const atOnce = 24;
const perRound = 240;
/** A reply may be as long as this, and its header. */
const replyBytesMax = 0x10_0000 + 64;
const closeMs = 10_000;
const readMs = 30;
const serveMs = 20_000;

/** Throws what is wrong. */
export async function fuzzZooKeeper(options: FuzzOptions): Promise<void> {
  const corpus = readSessions();
  let halted: string | undefined;
  const server = await startServer({
    logLevel: "silent",
    limits: {
      session_timeout_ms_min: 400,
      session_timeout_ms_default: 2_000,
      session_timeout_ms_max: 60_000,
      reap_interval_ms: 100,
    },
    onHalt: (halt) => {
      halted = halt.reason;
    },
  });
  await server.ready();
  const address = server.zookeeper ?? "";
  const witness = await Witness.open(address);
  try {
    for (let done = 0; done < options.inputs; done += perRound) {
      const count = Math.min(perRound, options.inputs - done);
      await playRound(address, corpus, options.seed, options.first + done, count);
      // A busy machine's disk may make a leader step down for a moment; one that halts never serves again.
      await Promise.race([server.ready(), delay(serveMs, undefined, { ref: false })]);
      if (halted !== undefined || !server.status().serving)
        throw new Error(
          `the server stopped within inputs ${options.first + done} … ${options.first + done + count - 1}: ${halted}`,
        );
      await witness.check();
      options.onProgress?.(done + count);
    }
  } finally {
    witness.close();
    await server.close();
  }
}

async function playRound(address: string, corpus: readonly Session[], seed: number, first: number, count: number): Promise<void> {
  let next = first;
  const lane = async (): Promise<void> => {
    while (next < first + count) {
      const number = next;
      next += 1;
      const random = new Random(Math.imul(seed, 0x9e37_79b1) + number);
      const problem = await play(address, damagedSession(corpus, random), random.below(2) === 0);
      if (problem !== undefined) throw new Error(`input ${number} of seed ${seed}: ${problem}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

/** Sends and goes; resolves, once the server has closed too, with what was wrong. `reads`: waits a little for answers. */
function play(address: string, pieces: Session, reads: boolean): Promise<string | undefined> {
  return new Promise((resolve) => {
    const colon = address.lastIndexOf(":");
    const socket = connect(Number(address.slice(colon + 1)), address.slice(0, colon));
    let answer = Buffer.alloc(0);
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      socket.destroy();
    }, closeMs);
    socket.on("data", (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(limit);
      resolve(late ? "the server keeps a connection whose client has gone" : framesProblem(answer, pieces));
    });
    for (const piece of pieces) socket.write(piece);
    if (reads) setTimeout(() => socket.end(), readMs);
    else socket.end();
  });
}

/** What the server sent must be whole frames but for the last, which the client's end may have cut. */
function framesProblem(answer: Buffer, pieces: Session): string | undefined {
  // Four letters are answered by a text.
  if (/^[a-z]{4}/.test(Buffer.concat(pieces).toString("latin1", 0, 4))) return undefined;
  for (let at = 0; at + 4 <= answer.length; at += 4 + answer.readInt32BE(at)) {
    const length = answer.readInt32BE(at);
    if (length < 16 || length > replyBytesMax) return `a frame of ${length} bytes`;
  }
  return undefined;
}

/** Nobody else knows its secret, so nothing that is sent may change what it has. */
class Witness {
  readonly #connection: RawConnection;
  #xid = 0;
  #version = 0;

  private constructor(connection: RawConnection) {
    this.#connection = connection;
  }

  static async open(address: string): Promise<Witness> {
    const witness = new Witness(new RawConnection(address));
    witness.#connection.write(connectFrame({ timeoutMs: 60_000 }));
    await witness.#connection.frame();
    await witness.#ask(auth("digest", "witness:secret"));
    const acl = [{ perms: 31, scheme: "auth", id: "" }];
    await witness.#ask(create("/witness", { acl, data: "0" }));
    await witness.#ask(create("/witness/ephemeral", { acl, flags: 1 }));
    await witness.#ask(addWatch("/witness", 1));
    return witness;
  }

  /** Its node, its ephemeral and its watch are as it left them, and its session goes on. */
  async check(): Promise<void> {
    this.#version += 1;
    await this.#ask(setData("/witness", String(this.#version), this.#version - 1), 1);
    const data = await this.#ask(getData("/witness"));
    if (data.buffer()?.toString() !== String(this.#version)) throw new Error("the witness's node was changed");
    await this.#ask(exists("/witness/ephemeral"));
  }

  /** `events`: how many come before the reply. */
  async #ask(operation: Operation, events = 0): Promise<JuteReader> {
    const xid = operation.xid ?? (this.#xid += 1);
    this.#connection.write(frame(int(xid), int(operation.opcode), ...operation.body));
    for (let left = events; ; left -= 1) {
      const reply = await this.#connection.receive();
      if (typeof reply === "string") throw new Error(`the witness's connection: ${reply}, at ${operation.name}`);
      if (reply.xid === -1 && left > 0) continue;
      if (reply.xid !== xid || reply.error !== 0 || left !== 0)
        throw new Error(`the witness: xid ${reply.xid}, error ${reply.error} at ${operation.name}, ${left} events missing`);
      return reply.body;
    }
  }

  close(): void {
    this.#connection.destroy();
  }
}
