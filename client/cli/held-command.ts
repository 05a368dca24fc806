/** Child processes of commands that hold something. Used by `zabra cron`. */
import { spawn } from "node:child_process";
import { constants, hostname } from "node:os";

const graceMs = 2_000;

/** Who this process is, for people who look at queues and histories. */
export function whoAmI(): string {
  return `${hostname()} pid ${process.pid}`;
}

/** Runs a command with more variables in its environment. `signal` stops it: by SIGTERM, and by SIGKILL 2 s later. Resolves to its exit code. */
export function runChild(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<number> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: "inherit", env: { ...process.env, ...env } });
  let killing: ReturnType<typeof setTimeout> | undefined;
  const stop = (): void => {
    child.kill("SIGTERM");
    killing = setTimeout(() => child.kill("SIGKILL"), graceMs);
  };
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(killing);
      signal.removeEventListener("abort", stop);
    };
    child.on("error", (error) => {
      end();
      reject(error);
    });
    child.on("exit", (code, by) => {
      end();
      resolve(code ?? 128 + (by === null ? 0 : constants.signals[by]));
    });
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}
