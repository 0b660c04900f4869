import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { JobsConnection } from "../cli/jobs-connection.js";
import { startJobs } from "../coordinator/job-host.js";
import { startCoordinator } from "../coordinator/process.js";
import { resolveCoordinatorSettings } from "../shared/config/coordinator-settings.js";
import { RetryableError } from "../shared/errors.js";
import { insecureTransport } from "../shared/security/transport-security.js";
import { jobRecord } from "./job-samples.js";
import { temporaryFolder } from "./small-pictures.js";

it("tells whoever follows a job that the coordinator is stopping, and that another may be asked", async () => {
  const cwd = await temporaryFolder();
  const settings = resolveCoordinatorSettings({ listen: "127.0.0.1:0" }, {}, { cwd });
  const coordinator = await startCoordinator({ settings });
  onTestFinished(() => coordinator.close());
  const security = insecureTransport;
  const host = await startJobs({ settings, security, coordinator, onEvent: () => {} });
  await writeFile(join(cwd, "a.png"), "never looked at: there is no worker");
  const input = pathToFileURL(cwd).href;
  const { spec } = jobRecord("photos");
  const job = jobRecord("photos", { spec: { ...spec, input, output: `${input}/out` } });
  await host.engine.log.create(job);

  const { signal } = new AbortController();
  await JobsConnection.with({ coordinator: coordinator.address }, async (connection) => {
    const status = connection.stream(
      (client, metadata) => client.watch({ name: "photos" }, metadata),
      signal,
    );
    await status.next();
    const ended = (async () => {
      for await (const _ of status);
    })().catch((error: unknown) => error);
    await host.close();
    const error = await ended;
    expect(error).toBeInstanceOf(RetryableError);
    expect(String(error)).toContain("the coordinator is stopping");
  });
});
