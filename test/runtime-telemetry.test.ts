import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { packageRoot } from "../shared/package-root.js";

const run = promisify(execFile);

/** What the runtime finds in the environment of a process that loads a module of ours, as C libraries see it. */
async function found(module: string, environment: NodeJS.ProcessEnv): Promise<string> {
  const { ORT_DISABLE_TELEMETRY: _, ...own } = process.env;
  const script = `
    await import("./dist/${module}");
    const { execFileSync } = await import("node:child_process");
    process.stdout.write(execFileSync("sh", ["-c", "echo $ORT_DISABLE_TELEMETRY"], { encoding: "utf8" }));
  `;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], {
    cwd: fileURLToPath(packageRoot),
    env: { ...own, ...environment },
  });
  return stdout.trim();
}

it("switches the runtime's telemetry client off with the first session, unless the user has decided otherwise", async () => {
  expect(await found("shared/onnx/session.js", {})).toBe("1");
  expect(await found("shared/onnx/session.js", { ORT_DISABLE_TELEMETRY: "0" })).toBe("0");
  expect(await found("shared/errors.js", {})).toBe("");
});
