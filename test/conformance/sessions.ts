/** Keeps what the cases' connections send: the fuzzer's material. */
import { listenTo, type RawConnection } from "./connection.ts";

const bytesMax = 2_048;
const piecesMin = 2;

/** From now on; the returned function ends it, and gives each connection's pieces in base64. Each shape of a session is kept once. */
export function recordSessions(): () => readonly (readonly string[])[] {
  const sent = new Map<RawConnection, Buffer[]>();
  listenTo({
    sent: (connection, bytes) => {
      const pieces = sent.get(connection);
      if (pieces === undefined) sent.set(connection, [bytes]);
      else pieces.push(bytes);
    },
  });
  return () => {
    listenTo(undefined);
    const shapes = new Map<string, readonly string[]>();
    for (const pieces of sent.values()) {
      if (pieces.length < piecesMin || Buffer.concat(pieces).length > bytesMax) continue;
      const shape = pieces.map(shapeOf).join();
      if (!shapes.has(shape))
        shapes.set(
          shape,
          pieces.map((piece) => piece.toString("base64")),
        );
    }
    return [...shapes.values()];
  };
}

/** Opcodes, roughly, and lengths. */
function shapeOf(piece: Buffer): string {
  return `${piece.length}:${piece.length >= 12 ? piece.readInt32BE(8) : ""}`;
}
