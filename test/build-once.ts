import { execFileSync } from "node:child_process";

/** Builds the program before the first test, so that worker processes run the sources under test. */
export default function buildOnce(): void {
  execFileSync("npm", ["run", "--silent", "build"], { stdio: "inherit" });
}
