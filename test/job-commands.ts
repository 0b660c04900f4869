/** The program's commands around jobs, as users run them. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type ItemOutcome, itemOutcomeSchema } from "../shared/jobs/work-item.js";
import { packageRoot } from "../shared/package-root.js";
import type { ClusterFixture } from "./cluster-fixture.js";
import type { ServiceProcess } from "./service-process.js";

const run = promisify(execFile);
const program = fileURLToPath(new URL("dist/cli/main.js", packageRoot));

/** A command of the program. @returns what it printed, and its exit code */
export async function deqfleet(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }> {
  try {
    return { ...(await run(process.execPath, [program, ...args])), code: 0 };
  } catch (error) {
    return error as { stdout: string; stderr: string; code: number };
  }
}

/** A coordinator with its jobs in a folder. */
export async function startJobCoordinator(
  cluster: ClusterFixture,
  folder: string,
  ...flags: string[]
): Promise<{ process: ServiceProcess; address: string }> {
  const started = cluster.start(
    ...["coordinator", "--listen", "127.0.0.1:0", "--heartbeat", "0.1", "--data", join(folder, "jobs")],
    ...flags,
  );
  const [, address] = await started.prints(/reached at ([\w.:]+)/);
  return { process: started, address: address! };
}

/** What became of a job's pictures. @param at flags that lead to its coordinator */
export async function outcomesOf(name: string, at: string[]): Promise<ItemOutcome[]> {
  const { stdout } = await deqfleet("results", name, ...at);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => itemOutcomeSchema.parse(JSON.parse(line)));
}
