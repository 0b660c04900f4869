// Prints the folder of helm, helm-unittest and kubeconform: the one CHART_TOOLS names, or one they are built into once, below
// node_modules/.cache, at the versions of scripts/chart-tools/go.mod. They share most of their packages, hence one build.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("chart-tools", import.meta.url));
const cache = fileURLToPath(new URL("../node_modules/.cache/chart-tools", import.meta.url));

function build() {
  const version = createHash("sha256").update(readFileSync(join(source, "go.sum"))).digest("hex").slice(0, 12);
  const built = join(cache, version);
  if (existsSync(built)) return built;
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "build-"));
  try {
    execFileSync("go", ["build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", `${folder}/`, "tool"], {
      cwd: source,
      env: { ...process.env, CGO_ENABLED: "0" },
      stdio: ["ignore", process.stderr, process.stderr],
    });
    if (!existsSync(built)) renameSync(folder, built);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return built;
}

try {
  console.log(process.env.CHART_TOOLS || build());
} catch (error) {
  const reason = error.code === "ENOENT" ? "there is no `go` on the PATH" : error.message;
  console.error(
    `helm, helm-unittest and kubeconform cannot be built: ${reason}. Install Go 1.21 or later (it fetches the release it needs), or ` +
      "name a folder that holds them: CHART_TOOLS=/path/to/folder",
  );
  process.exitCode = 1;
}
