import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * Builds the program before the first test, so that worker processes run the sources under test, and the servers that it is
 * tested with, where there are none.
 */
export default function buildOnce(): void {
  execFileSync("npm", ["run", "--silent", "build"], { stdio: "inherit" });
  for (const name of ["install-nats-server.js", "install-versitygw.js"]) {
    const install = fileURLToPath(new URL(`../scripts/${name}`, import.meta.url));
    execFileSync(process.execPath, [install], { stdio: ["ignore", "ignore", "inherit"] });
  }
}
