/** `deqfleet coordinator`: its flags, and what it prints. */
import { resolve } from "node:path";
import { Command } from "commander";
import { startCoordinator } from "../coordinator/process.js";
import {
  coordinatorOptionsSchema,
  defaultCoordinatorAddress,
  resolveCoordinatorSettings,
} from "../shared/config/coordinator-settings.js";
import { checkOptionsOf, flagOf, readOptionsFile } from "../shared/config/options.js";
import { exitCodes } from "./exit-codes.js";
import { number, runService, type ServiceSurroundings } from "./service.js";

function coordinatorCommand(): Command {
  return new Command("coordinator")
    .description("lead a fleet of workers, which join it from anywhere")
    .option(
      "--listen <host:port>",
      `where workers and clients come in (default: ${defaultCoordinatorAddress})`,
    )
    .option(
      "--advertise <host:port>",
      "where workers reach it (default: the host it listens on; port 0: the port it got)",
    )
    .option("--http <host:port>", "where /healthz and /readyz are served (default: nowhere)")
    .option("--heartbeat <s>", "seconds between two heartbeats of a worker (default: 2)", number)
    .option("--silence <s>", "seconds of silence after which a worker is given up (default: 10)", number)
    .option("--config <file>", "YAML file with any of these options; the command line wins");
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

/** Adds the command to the program; `done` receives its exit code. */
export function addCoordinator(
  program: Command,
  surroundings: ServiceSurroundings,
  done: (exitCode: number) => void,
): void {
  const { cwd, console } = surroundings;
  const say = (line: string) => console.stdout.write(`deqfleet coordinator: ${line}\n`);
  program.addCommand(
    coordinatorCommand().action(async ({ config, ...given }: Record<string, unknown>) => {
      const flags = checkOptionsOf(coordinatorOptionsSchema, given, flagOf);
      const file =
        typeof config === "string"
          ? await readOptionsFile(resolve(cwd, config), coordinatorOptionsSchema, [])
          : {};
      const settings = resolveCoordinatorSettings(flags, file);
      await runService(surroundings, async (stop) => {
        const coordinator = await startCoordinator({
          settings,
          onEvent: ({ kind, worker, address, reason }) =>
            say(`worker ${worker} ${kind}${address ? ` (${address})` : ""}: ${reason}`),
        });
        const { address, httpPort } = coordinator;
        say(`reached at ${address}${httpPort === null ? "" : `, HTTP on port ${httpPort}`}`);
        await untilAborted(stop);
        await coordinator.close();
      });
      done(exitCodes.ok);
    }),
  );
}
