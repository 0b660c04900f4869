import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * Builds the program before the first test, so that worker processes run the sources under test, and the broker that job
 * logs are tested with, where there is none.
 */
export default function buildOnce(): void {
  execFileSync("npm", ["run", "--silent", "build"], { stdio: "inherit" });
  const install = fileURLToPath(new URL("../scripts/install-nats-server.js", import.meta.url));
  execFileSync(process.execPath, [install], { stdio: ["ignore", "ignore", "inherit"] });
}
