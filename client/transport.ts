/** How the driver reaches a server: real WebSockets (`websocket-transport.ts`) or a test's fake. */
import type { ClientWireMessage, ServerWireMessage } from "../src/wire/client-codec.ts";

export interface TransportHandlers {
  opened(): void;
  messages(messages: readonly ServerWireMessage[]): void;
  /** Once, whoever closed; also when it never opened. */
  closed(reason: string): void;
}

export interface Transport {
  send(messages: readonly ClientWireMessage[]): void;
  close(): void;
}

export type Dial = (url: string, handlers: TransportHandlers) => Transport;
