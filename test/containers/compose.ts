/** Docker Compose, through the targets of the Makefile that users call. */
import { execFile, execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { packageRoot } from "../../shared/package-root.js";

const run = promisify(execFile);

/** Whether there is a Docker Compose here, as a part of Docker or as a program of its own. */
export function composeRuns(): boolean {
  return [
    ["docker", "compose", "version"],
    ["docker-compose", "version"],
  ].some(([program, ...args]) => {
    try {
      execFileSync(program, args, { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });
}

/** Runs make in the checkout; a failure's error has what was printed. @param given a target and variables */
export async function make(...given: readonly string[]): Promise<void> {
  await run("make", ["--no-print-directory", ...given], { cwd: fileURLToPath(packageRoot) });
}
