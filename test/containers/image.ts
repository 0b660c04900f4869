/** The image that users build, built as they build it. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { packageRoot } from "../../shared/package-root.js";

const run = promisify(execFile);
const checkout = fileURLToPath(packageRoot);

/** What the README calls it, so that what a developer has built here speeds the tests up. */
export const imageName = "deqfleet:cpu";

/** The same program under another name, with another label: what an upgrade changes to. */
export const nextImageName = "deqfleet-test/deqfleet:next";
export const releaseLabel = "deqfleet.test.release";

/** Runs the Docker client in the checkout. @returns its standard output */
export async function docker(...args: string[]): Promise<string> {
  const { stdout } = await run("docker", args, { cwd: checkout, maxBuffer: 64 * 1024 * 1024 });
  return stdout.trim();
}

/**
 * Builds both images; what has not changed comes from the Engine's cache. Where the base image can neither be found nor pulled it
 * is made on this machine.
 */
export async function buildImages(): Promise<void> {
  await run(fileURLToPath(new URL("scripts/local-base-image.sh", packageRoot)), { cwd: checkout });
  // Packages come in the way they come to this machine, which the Engine's own network may not have.
  const place = ["--network", "host", "-f", "deploy/docker/Dockerfile", "--target", "cpu"];
  await docker("build", "-q", ...place, "-t", imageName, ".");
  const next = run("docker", ["build", "-q", "-t", nextImageName, "--label", `${releaseLabel}=next`, "-"]);
  next.child.stdin?.end(`FROM ${imageName}\n`);
  await next;
}
