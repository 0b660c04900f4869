// Prints the path of the nats-server that tests and benchmarks start: the one NATS_SERVER names, one on the PATH that is new
// enough, or one built from its source with Go, once, below node_modules/.cache. With --static always the latter, which needs
// no library and can be put into an image by itself.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const version = "v2.15.2";
/** Work queues of several replicas lost dead-lettered messages before. */
const oldest = [2, 14];
const cache = fileURLToPath(new URL("../node_modules/.cache/nats-server", import.meta.url));
const built = join(cache, `nats-server-${version}`);

/** @returns {[number, number] | undefined} */
function versionOf(path) {
  try {
    const [, major, minor] = /v(\d+)\.(\d+)/.exec(execFileSync(path, ["--version"], { encoding: "utf8" })) ?? [];
    return major === undefined ? undefined : [Number(major), Number(minor)];
  } catch {
    return undefined;
  }
}

function given() {
  const path = process.env.NATS_SERVER;
  if (!path) return undefined;
  if (versionOf(path)) return path;
  throw new Error(`NATS_SERVER=${path} is no nats-server that runs here: correct it, or unset it to have one built`);
}

function onPath() {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "nats-server"))
    .filter((path) => existsSync(path))
    .find((path) => {
      const [major, minor] = versionOf(path) ?? [0, 0];
      return major > oldest[0] || (major === oldest[0] && minor >= oldest[1]);
    });
}

function build() {
  if (existsSync(built)) return built;
  mkdirSync(cache, { recursive: true });
  // Built aside and renamed: two that build at once do not disturb each other.
  const folder = mkdtempSync(join(cache, "build-"));
  try {
    execFileSync("go", ["install", `github.com/nats-io/nats-server/v2@${version}`], {
      env: { ...process.env, GOBIN: folder, CGO_ENABLED: "0", GOFLAGS: "-trimpath" },
      stdio: ["ignore", process.stderr, process.stderr],
    });
    renameSync(join(folder, "nats-server"), built);
  } catch (cause) {
    const reason = cause.code === "ENOENT" ? "there is no `go` on the PATH" : cause.message;
    throw new Error(
      `nats-server ${version} cannot be built: ${reason}. Install Go 1.21 or later (it fetches the release it needs), put a ` +
        `nats-server of at least ${oldest.join(".")} on the PATH, or name one: NATS_SERVER=/path/to/nats-server`,
      { cause },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return built;
}

try {
  const found = process.argv.includes("--static") ? undefined : (given() ?? onPath());
  console.log(found ?? build());
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
