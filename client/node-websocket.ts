/**
 * WebSockets in Node.js: the `ws` package (Node 20 has no global WebSocket). Loaded by `default-dial.ts`
 * in Node alone; browsers never ask for this file.
 */
import { WebSocket } from "ws";
import { subprotocol, type WebSocketLike } from "./websocket-transport.ts";

/** The server's largest frame, with room to spare. */
const payloadBytesMax = 64 * 1024 * 1024;

export function openNodeWebSocket(url: string): WebSocketLike {
  const socket = new WebSocket(url, [subprotocol], { perMessageDeflate: false, maxPayload: payloadBytesMax });
  socket.binaryType = "nodebuffer";
  return socket as unknown as WebSocketLike;
}
