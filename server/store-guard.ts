/**
 * When a server has its tree store checked by a process of its own (`store-check.ts`). Damage that ends the process which reads it would
 * end the server at every start. So after a death that was no clean end the store is checked beside the serving server, and *before* it serves after
 * `deathsMax` deaths without such a check's end: it takes seconds for a million nodes. A sound store is checked once a day. Used by server.ts.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Of a check that has found damage. */
export const damagedExit = 3;

/** `unknown`: it could not be checked, and that is no reason to distrust it. */
export type Verdict =
  | { readonly type: "sound" }
  | { readonly type: "unknown"; readonly reason: string }
  | { readonly type: "damaged"; readonly reason: string };

/** A store in use. `hold` as of LmdbKeyValue. */
export interface CheckedStore {
  readonly directory: string;
  hold(then: () => void): () => void;
}

/** What a check beside a server says: it has loaded and would open the store; it has opened it. */
export type FromCheck = "ready" | "opened";

/** So many deaths in a row, without a check that came to its end, and the next start checks first. */
export const deathsMax = 3;
/** A server that has just come back has more urgent things to do; see `deathsMax` for one that dies before it. */
export const firstCheckMs = 3_000;
export const scrubIntervalMs = 24 * 60 * 60_000;
/** A check that takes longer to open the store, which is a matter of milliseconds, is killed: the server's commits wait for it. */
const openMsMax = 5_000;
/** So is one that is not let in: a commit that takes so long is no time for a check, and a store that was closed meanwhile lets nobody in. */
const permitMsMax = 60_000;

/** By these a process ends that touches a damaged file, not one that somebody stops. */
const deadly: ReadonlySet<string> = new Set(["SIGBUS", "SIGSEGV", "SIGABRT", "SIGILL", "SIGFPE", "SIGTRAP"]);

/** Waits for the verdict: for a server that does not serve yet. */
export function checkStore(directory: string): Verdict {
  const { status, signal, stdout } = spawnSync(process.execPath, [...nodeArguments(), directory], {
    stdio: ["ignore", "pipe", "ignore"],
    encoding: "utf8",
  });
  return verdictOf(status, signal, stdout);
}

/**
 * Checks slowly; `then` is called once, unless the returned function was called before. While the check opens the store, nothing is committed: a commit
 * might be lost (LMDB ITS#9496: an opener sets the number of the newest transaction to what it read a moment before).
 */
export function checkStoreBeside(store: CheckedStore, then: (verdict: Verdict) => void): () => void {
  const child = spawn(process.execPath, [...nodeArguments(), store.directory, "slow"], {
    stdio: ["ignore", "pipe", "ignore", "ipc"],
  });
  letOpen(child, store);
  let printed = "";
  let wanted = true;
  const end = (verdict: Verdict): void => {
    if (wanted) then(verdict);
    wanted = false;
  };
  child.stdout?.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
  });
  child.on("error", (error) => end({ type: "unknown", reason: error.message }));
  child.on("close", (code, signal) => end(verdictOf(code, signal, printed)));
  return () => {
    wanted = false;
    child.kill("SIGKILL");
  };
}

/** Holds the store from when the check is ready until it has opened it, or is gone. */
function letOpen(child: ChildProcess, store: CheckedStore): void {
  let release = (): void => {};
  let patience: NodeJS.Timeout | undefined;
  let gone = false;
  const killAfter = (ms: number): void => {
    clearTimeout(patience);
    patience = setTimeout(() => child.kill("SIGKILL"), ms);
  };
  const permit = (): void => {
    killAfter(openMsMax);
    child.send("open", () => {});
  };
  const begin = (): void => {
    killAfter(permitMsMax);
    release = store.hold(permit);
  };
  const end = (): void => {
    clearTimeout(patience);
    release();
  };
  child.on("message", (message: FromCheck) => {
    if (message === "ready" && !gone) begin();
    else if (message === "opened") end();
  });
  child.on("exit", () => {
    gone = true;
    end();
  });
}

function verdictOf(code: number | null, signal: NodeJS.Signals | null, printed: string): Verdict {
  if (code === 0) return { type: "sound" };
  if (code === damagedExit) return { type: "damaged", reason: printed };
  if (signal !== null && deadly.has(signal))
    return { type: "damaged", reason: `the tree store is damaged: reading it ends a process (${signal})` };
  return { type: "unknown", reason: signal ?? `exit code ${code}` };
}

/** The program is the file beside this one. From source (development, under tsx) it needs its TypeScript loader. */
function nodeArguments(): readonly string[] {
  const source = import.meta.url.endsWith(".ts");
  const program = fileURLToPath(new URL(source ? "./store-check.ts" : "./store-check.js", import.meta.url));
  return ["--max-old-space-size=64", ...(source ? ["--import", "tsx"] : []), program];
}
