import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { packageRoot } from "../shared/package-root.js";
import { smallPicture, temporaryFolder } from "./small-pictures.js";

const run = promisify(execFile);
const program = fileURLToPath(new URL("dist/cli/main.js", packageRoot));

/** Restores one small picture with a home that cannot be written, where the runtime's telemetry client would complain. */
async function complaints(environment: NodeJS.ProcessEnv): Promise<string> {
  const folder = await temporaryFolder();
  const picture = await smallPicture(join(folder, "in.png"), { width: 32, height: 32 });
  const { ORT_DISABLE_TELEMETRY: _, ...own } = process.env;
  const { stderr } = await run(
    process.execPath,
    [
      program,
      "restore",
      picture,
      "--out",
      join(folder, "out"),
      "--task",
      "sr-average",
      "--simulate",
      "--steps",
      "2",
    ],
    { env: { ...own, HOME: "/proc/no-home", ...environment } },
  );
  return stderr;
}

it("keeps the runtime's telemetry client off in all processes, unless the user has decided otherwise", async () => {
  expect(await complaints({})).not.toMatch(/telemetry/i);
  // Shows that the check above can fail.
  expect(await complaints({ ORT_DISABLE_TELEMETRY: "0" })).toMatch(/telemetry/i);
});
