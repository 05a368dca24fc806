/** The way to servers that this environment offers: the browser's WebSocket, or `ws` in Node.js. */
import type { Dial } from "./transport.ts";
import { subprotocol, type WebSocketLike, webSocketDial } from "./websocket-transport.ts";

export async function defaultDial(): Promise<Dial> {
  if (isNode()) return webSocketDial((await import("./node-websocket.ts")).openNodeWebSocket);
  if (typeof WebSocket === "undefined") throw new TypeError("this environment has no WebSocket: pass `dial`");
  return webSocketDial(openBrowserWebSocket);
}

function isNode(): boolean {
  return typeof process !== "undefined" && typeof process.versions?.node === "string";
}

function openBrowserWebSocket(url: string): WebSocketLike {
  const socket = new WebSocket(url, subprotocol);
  socket.binaryType = "arraybuffer";
  return socket as unknown as WebSocketLike;
}
