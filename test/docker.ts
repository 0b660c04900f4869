/** Whether tests can use containers here. */
import { execFileSync } from "node:child_process";

/** Whether a Docker Engine answers. The gate installs and starts one; elsewhere its tests do without. */
export function dockerRuns(): boolean {
  try {
    execFileSync("docker", ["info"], { stdio: "ignore", timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}

// The reaper of testcontainers is an image of its own, which would have to be pulled. Tests stop what they start.
process.env.TESTCONTAINERS_RYUK_DISABLED = "true";
