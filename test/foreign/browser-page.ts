/**
 * The program of the page of `browser.foreign.ts`, bundled by it for the browser. The test calls what is
 * put into `globalThis.zabra`, one call a step.
 */
import { type Client, connect, type Stream, ZabraError } from "../../client/index.ts";

interface Seen {
  readonly type: string;
  readonly path: string;
  readonly text: string;
}

export interface ZabraPage {
  /** "connected", or the code of the error. */
  connect(hosts: readonly string[], timeoutMs: number): Promise<string>;
  /** Follows `path`; resolves when its snapshot is there. */
  follow(path: string): Promise<number>;
  createEphemeral(path: string, text: string): Promise<number>;
  set(path: string, text: string): Promise<number>;
  get(path: string): Promise<string>;
  /** Resolves when the stream has shown this. */
  sees(path: string, text: string): Promise<Seen>;
  /** Every change that the stream has shown. */
  seen(): readonly Seen[];
  session(): number | undefined;
  /** What ended the stream. */
  close(): Promise<string>;
  /** What the content security policy makes of `new Function`. */
  evaluates(): Promise<string>;
}

declare global {
  var zabra: ZabraPage;
}

let client: Client | undefined;
const seen: Seen[] = [];
let ended = "";
let onSeen: () => void = () => {};

/** The policy does not bind what the test calls through the debugger, but it does bind the tasks after it. */
function ownTask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

async function keep(stream: Stream): Promise<void> {
  for await (const batch of stream) {
    if (batch.type !== "changes") continue;
    for (const { type, path, data } of batch.changes) seen.push({ type, path, text: new TextDecoder().decode(data) });
    onSeen();
  }
}

function current(): Client {
  if (client === undefined) throw new Error("not connected");
  return client;
}

globalThis.zabra = {
  async connect(hosts, connectTimeoutMs) {
    await ownTask();
    try {
      client = await connect(hosts, { connectTimeoutMs, sessionTimeoutMs: 30_000 });
      return client.state.type;
    } catch (error) {
      return error instanceof Error && "code" in error ? String(error.code) : String(error);
    }
  },
  async follow(path) {
    await current().ensurePath(path);
    const stream = current().subscribe(path, { recursive: true });
    const first = await stream.next();
    keep(stream).catch((error: unknown) => {
      ended = error instanceof ZabraError ? error.code : String(error);
    });
    return first.value?.zxid ?? 0;
  },
  async createEphemeral(path, text) {
    return (await current().create(path, text, { kind: "ephemeral" })).zxid;
  },
  async set(path, text) {
    return (await current().set(path, text)).zxid;
  },
  async get(path) {
    return (await current().get(path)).text;
  },
  sees(path, text) {
    return new Promise((resolve) => {
      onSeen = () => {
        const found = seen.find((one) => one.path === path && one.text === text);
        if (found !== undefined) resolve(found);
      };
      onSeen();
    });
  },
  seen: () => seen,
  session: () => client?.session?.id,
  async close() {
    await client?.close();
    return ended;
  },
  async evaluates() {
    await ownTask();
    try {
      return String(new Function("return 'evaluated'")());
    } catch (error) {
      return error instanceof Error ? error.name : String(error);
    }
  },
};
