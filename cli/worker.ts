/** `deqfleet worker`: its flags, and what it prints. */

import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { defaultCoordinatorAddress } from "../shared/config/coordinator-settings.js";
import { checkOptionsOf, flagOf, readOptionsFile } from "../shared/config/options.js";
import { processPathOptions } from "../shared/config/process-settings.js";
import { resolveWorkerSettings, workerOptionsSchema } from "../shared/config/worker-settings.js";
import { packageRoot } from "../shared/package-root.js";
import { transportSecurity } from "../shared/security/transport-security.js";
import type { EngineTrouble } from "../worker/engine/engine-protocol.js";
import { runWorker, type WorkerEvent } from "../worker/process.js";
import { exitCodes } from "./exit-codes.js";
import {
  killProcess,
  number,
  runService,
  type ServiceSurroundings,
  teller,
  withProcessFlags,
  withTraces,
} from "./service.js";

function workerCommand(): Command {
  const command = new Command("worker")
    .description("serve a coordinator with this machine's processor or one of its GPUs")
    .option(
      "--coordinator <host:port,...>",
      `where coordinators may be, the preferred one first (default: ${defaultCoordinatorAddress})`,
    )
    .option("--model <file>", "diffusion prior, ONNX (default: the packaged one)")
    .option(
      "--listen <host:port>",
      "where it listens for its coordinator (default: 127.0.0.1:0, a free port)",
    )
    .option(
      "--advertise <host:port>",
      "where its coordinator reaches it (default: the host it listens on; port 0: the port it got)",
    )
    .option("--http <host:port>", "where /healthz and /readyz are served (default: nowhere)")
    .option("--name <name>", "its name, unique in the fleet (default: host and process number)")
    .option("--device <device>", "cpu, or cuda:N for a GPU (default: cpu)")
    .option("--threads <n>", "threads of the network on a processor (default: one a core)", number)
    .option(
      "--batch <n>",
      "pictures in one network call where it has whole chains (default: up to 4, by size; 16 on a GPU)",
      number,
    )
    .option("--grace <s>", "seconds between the request to stop and the end, at most (default: 60)", number)
    .option("--measure <s>", "seconds spent on measuring the network before it joins (default: 3)", number);
  return withProcessFlags(command);
}

/** One line an event. */
export function lineOf(event: WorkerEvent): string {
  switch (event.event) {
    case "state":
      return `${event.state}: ${event.why}`;
    case "listening":
      return `reached at ${event.address}${event.http === null ? "" : `, HTTP on port ${event.http}`}`;
    case "coordinator-failed":
      return `coordinator ${event.coordinator}: ${event.reason}`;
    case "trouble":
      return troubleLine(event.trouble);
    case "picture-ended":
      return `${event.picture} ${event.status}${event.error === undefined ? "" : `: ${event.error}`}`;
    case "slice-ended": {
      const { picture, begin, end, rounds, error } = event;
      return `steps ${begin} to ${end} of ${picture}: ${error ?? `${rounds} rounds`}`;
    }
  }
}

function troubleLine(trouble: EngineTrouble): string {
  return trouble.kind === "rounds-unreachable"
    ? `rounds of cut chains come in gRPC messages, since ${trouble.address} cannot be reached (${trouble.reason}); open that port of the coordinator, or give it --rounds`
    : `no further session of the model can be made (${trouble.reason}): network calls are limited to the batches that there are; start this worker again with the model it is to have`;
}

/** How much an event matters: single pictures are their coordinator's to tell of. */
function levelOf(event: WorkerEvent): "debug" | "info" | "warn" {
  if (event.event === "picture-ended" || event.event === "slice-ended") return "debug";
  const troubles = ["coordinator-failed", "trouble"];
  return troubles.includes(event.event) ? "warn" : "info";
}

/** Adds the command to the program; `done` receives its exit code. */
export function addWorker(
  program: Command,
  surroundings: ServiceSurroundings,
  done: (exitCode: number) => void,
): void {
  const { cwd, console } = surroundings;
  program.addCommand(
    workerCommand().action(async ({ config, ...given }: Record<string, unknown>) => {
      const flags = checkOptionsOf(workerOptionsSchema, given, flagOf);
      const file =
        typeof config === "string"
          ? await readOptionsFile(resolve(cwd, config), workerOptionsSchema, ["model", ...processPathOptions])
          : {};
      const defaultModel = fileURLToPath(new URL("models/prior.onnx", packageRoot));
      const settings = resolveWorkerSettings(flags, file, { cwd, defaultModel });
      const tell = teller(console, settings, "worker", settings.name);
      const onEvent = (event: WorkerEvent) => tell(lineOf(event), event, levelOf(event));
      const security = await transportSecurity(settings.tls);
      await withTraces(settings, "worker", settings.name, () =>
        runService(surroundings, (stop) =>
          runWorker({ settings, stop, kill: killProcess, onEvent, security }),
        ),
      );
      done(exitCodes.ok);
    }),
  );
}
