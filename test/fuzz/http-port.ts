/**
 * The fuzzer of the HTTP port: damaged requests, upgrades and WebSocket frames against a server in this process; a probe beside
 * it must go on being answered. A crash of the server is a crash of this process.
 */
import { connect } from "node:net";
import { startServer } from "../../server/index.ts";
import { Random } from "../support/random.ts";
import { damage, targets } from "../wire/fuzz-targets.ts";
import type { Draw } from "./fuzzer.ts";

const atOnce = 24;
const perRound = 240;
const closeMs = 10_000;
const clientFrames = targets.find((target) => target.name === "ClientFrame")?.corpus ?? [];

const headers = [
  "Host: 127.0.0.1",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Protocol: zabra.v1",
];
const odd = [
  "Origin: https://elsewhere.example",
  "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
  "Content-Length: -1",
  "Transfer-Encoding: chunked, chunked",
  "Sec-WebSocket-Key: short",
  "Host: a, b",
  `X: ${"y".repeat(9_000)}`,
  "\u0000: \u0000",
];

/** A WebSocket frame as a client masks it, its header right or not. */
function webSocketFrame(body: Uint8Array, random: Draw): Buffer {
  const wrong = random(4) === 0;
  const opcode = wrong ? random(16) : 2;
  const flags = wrong ? random(16) << 4 : 0x80;
  const mask = Buffer.from([random(256), random(256), random(256), random(256)]);
  const length = wrong && random(2) === 0 ? random(0x1_0000) : body.length;
  const masked = Buffer.from(body.map((byte, i) => byte ^ (mask[i % 4] ?? 0)));
  const size = length < 126 ? Buffer.from([length]) : Buffer.from([126, (length >> 8) & 255, length & 255]);
  size[0] = (size[0] ?? 0) | (wrong && random(3) === 0 ? 0 : 0x80);
  return Buffer.concat([Buffer.from([flags | opcode]), size, mask, masked]);
}

function input(random: Draw): Buffer {
  const lines = [random(8) === 0 ? "GET /status HTTP/1.1" : "GET /v1 HTTP/1.1", ...headers];
  for (let i = random(3); i > 0; i -= 1) {
    const at = 1 + random(lines.length - 1);
    const kind = random(4);
    if (kind === 0) lines.splice(at, 1);
    else if (kind === 1) lines.splice(at, 0, odd[random(odd.length)] ?? "");
    else if (kind === 2) lines.splice(at, 0, lines[at] ?? "");
    else lines[at] = Buffer.from(damage(Buffer.from(lines[at] ?? ""), random)).toString("latin1");
  }
  const pieces: Buffer[] = [Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1")];
  for (let i = random(5); i > 0; i -= 1) {
    const body = clientFrames[random(clientFrames.length)] ?? new Uint8Array(0);
    pieces.push(webSocketFrame(random(2) === 0 ? damage(body, random) : body, random));
  }
  const bytes = Buffer.concat(pieces);
  return random(6) === 0 ? Buffer.from(damage(bytes, random)) : bytes;
}

/** Throws what is wrong. */
export async function fuzzHttp(seed: number, inputs: number): Promise<void> {
  let halted: string | undefined;
  const server = await startServer({
    logLevel: "silent",
    onHalt: (halt) => {
      halted = halt.reason;
    },
  });
  await server.ready();
  const { host, hostname, port } = new URL(server.httpUrl);
  try {
    let upgraded = 0;
    for (let done = 0; done < inputs; done += perRound) {
      const count = Math.min(perRound, inputs - done);
      let next = done;
      const lane = async (): Promise<void> => {
        while (next < done + count) {
          const number = next;
          next += 1;
          const random = new Random(Math.imul(seed, 0x9e37_79b1) + number);
          const answer = await play(
            hostname,
            Number(port),
            input((bound) => random.below(bound)),
          );
          if (answer.startsWith("HTTP/1.1 101")) upgraded += 1;
          else if (answer !== "" && !answer.startsWith("HTTP/1.1 "))
            throw new Error(`input ${number} of seed ${seed}: ${answer}`);
        }
      };
      await Promise.all(Array.from({ length: atOnce }, lane));
      const probe = await fetch(`http://${host}/livez`);
      if (halted !== undefined || probe.status !== 200)
        throw new Error(`the server does not answer after inputs ${done} … ${done + count - 1} of seed ${seed}: ${halted}`);
      await probe.text();
    }
    if (upgraded * 20 < inputs) throw new Error(`only ${upgraded} of ${inputs} inputs got past the upgrade`);
  } finally {
    await server.close();
  }
}

/** Sends, and goes when the answer has come; the first bytes of it. */
function play(host: string, port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host);
    let answer = "";
    const limit = setTimeout(() => {
      socket.destroy();
      reject(new Error("the server keeps a connection whose client has gone"));
    }, closeMs);
    socket.on("data", (chunk: Buffer) => {
      answer = answer.length > 64 ? answer : answer + chunk.toString("latin1", 0, 64);
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(limit);
      resolve(answer);
    });
    socket.end(bytes);
  });
}
