/** Jars of foreign Java code, by `mvn` from Maven Central, into a directory that later runs find again. */
import { spawnSync } from "node:child_process";
import { existsSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Seen from dist/test/foreign: what is not TypeScript is not built. */
export function source(name: string): string {
  return fileURLToPath(new URL(`../../../test/foreign/${name}`, import.meta.url));
}

/** The directory with all that `folder`/pom.xml asks for. */
export function mavenJars(folder: string): string {
  const directory = join(tmpdir(), `zabra-jars-${folder}`);
  if (existsSync(directory)) return directory;
  const partial = `${directory}-${process.pid}`;
  const words = ["-q", "-B", "-f", source(`${folder}/pom.xml`), "dependency:copy-dependencies", `-DoutputDirectory=${partial}`];
  const mvn = spawnSync("mvn", words, { encoding: "utf8" });
  if (mvn.status !== 0) {
    rmSync(partial, { recursive: true, force: true });
    throw new Error(`mvn could not fetch the jars of ${folder}: ${mvn.error?.message ?? mvn.stdout}`);
  }
  renameSync(partial, directory);
  return directory;
}

/** Why Java code cannot be tried here; undefined: it can. */
export function whyNoJava(): string | undefined {
  for (const [program, flag] of [
    ["java", "-version"],
    ["javac", "-version"],
    ["mvn", "-v"],
  ] as const) {
    if (spawnSync(program, [flag]).status !== 0) return `NOT TESTED: ${program} is missing`;
  }
  return undefined;
}
