// Programs that tests and benchmarks run and that are built from source with Go: the one an environment variable names, one
// on the PATH that will do, or one built once, below node_modules/.cache.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** What `program --version` says, or undefined if it does not run. */
function versionText(path) {
  try {
    return execFileSync(path, ["--version"], { encoding: "utf8" });
  } catch {
    return undefined;
  }
}

function given({ name, variable }) {
  const path = process.env[variable];
  if (!path) return undefined;
  if (versionText(path) !== undefined) return path;
  throw new Error(`${variable}=${path} is no ${name} that runs here: correct it, or unset it to have one built`);
}

function onPath({ name, suits }) {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .filter((path) => existsSync(path))
    .find((path) => {
      const text = versionText(path);
      return text !== undefined && suits(text);
    });
}

function build({ name, variable, module, version }) {
  const cache = fileURLToPath(new URL(`../node_modules/.cache/${name}`, import.meta.url));
  const built = join(cache, `${name}-${version}`);
  if (existsSync(built)) return built;
  mkdirSync(cache, { recursive: true });
  // Built aside and renamed: two that build at once do not disturb each other.
  const folder = mkdtempSync(join(cache, "build-"));
  try {
    execFileSync("go", ["install", `${module}@${version}`], {
      env: { ...process.env, GOBIN: folder, CGO_ENABLED: "0", GOFLAGS: "-trimpath" },
      stdio: ["ignore", process.stderr, process.stderr],
    });
    renameSync(join(folder, name), built);
  } catch (cause) {
    const reason = cause.code === "ENOENT" ? "there is no `go` on the PATH" : cause.message;
    throw new Error(
      `${name} ${version} cannot be built: ${reason}. Install Go 1.21 or later (it fetches the release it needs), or name a ` +
        `${name}: ${variable}=/path/to/${name}`,
      { cause },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return built;
}

/**
 * Prints the path of a program; with `--static` always of one built here, which needs no library and can be put into an image
 * by itself. Ends with status 1 and a remedy if there is none.
 * @param program `suits` looks at what `--version` says of one on the PATH
 */
export function printGoProgram(program) {
  try {
    const found = process.argv.includes("--static") ? undefined : (given(program) ?? onPath(program));
    console.log(found ?? build(program));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
