// Prints the path of the promtool that checks the alerts: the one PROMTOOL names, one on the PATH, or that of Debian's package
// `prometheus`, unpacked once below node_modules/.cache: to build it means to build all of Prometheus.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

function runs(path) {
  try {
    execFileSync(path, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function unpacked() {
  const cache = fileURLToPath(new URL("../node_modules/.cache/promtool", import.meta.url));
  const program = join(cache, "promtool");
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "package-"));
  try {
    const quiet = { cwd: folder, stdio: ["ignore", process.stderr, process.stderr] };
    try {
      execFileSync("apt-get", ["download", "-qq", "prometheus"], quiet);
    } catch {
      // A machine that was just set up has no list of packages yet.
      execFileSync("apt-get", ["update", "-qq"], quiet);
      execFileSync("apt-get", ["download", "-qq", "prometheus"], quiet);
    }
    execFileSync("sh", ["-c", "dpkg -x prometheus_*.deb ."], quiet);
    renameSync(join(folder, "usr/bin/promtool"), program);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return program;
}

try {
  const given = process.env.PROMTOOL;
  if (given && !runs(given)) throw new Error(`PROMTOOL=${given} does not run here: correct it, or unset it`);
  console.log(given || (runs("promtool") ? "promtool" : unpacked()));
} catch (error) {
  console.error(
    `promtool cannot be had: ${error.message}. Install Debian's package \`prometheus\`, or name one: PROMTOOL=/path/to/promtool`,
  );
  process.exitCode = 1;
}
