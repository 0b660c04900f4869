/** `deqfleet coordinator`: its flags, and what it prints. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { Command } from "commander";
import { showMembers } from "../coordinator/fleet/member-metrics.js";
import { type Coordinator, startCoordinator } from "../coordinator/process.js";
import {
  coordinatorOptionsSchema,
  defaultCoordinatorAddress,
  resolveCoordinatorSettings,
} from "../shared/config/coordinator-settings.js";
import { checkOptionsOf, flagOf, readOptionsFile } from "../shared/config/options.js";
import { processPathOptions } from "../shared/config/process-settings.js";
import { transportSecurity } from "../shared/security/transport-security.js";
import { CoordinatorMetrics, metricsRoute } from "../shared/telemetry/metrics.js";
import { exitCodes } from "./exit-codes.js";
import {
  number,
  runService,
  type ServiceSurroundings,
  teller,
  withProcessFlags,
  withTraces,
} from "./service.js";

function coordinatorCommand(): Command {
  const command = new Command("coordinator")
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
    .option("--silence <s>", "seconds of silence after which a worker is given up (default: 10)", number);
  return withProcessFlags(command);
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
  program.addCommand(
    coordinatorCommand().action(async ({ config, ...given }: Record<string, unknown>) => {
      const flags = checkOptionsOf(coordinatorOptionsSchema, given, flagOf);
      const file =
        typeof config === "string"
          ? await readOptionsFile(resolve(cwd, config), coordinatorOptionsSchema, processPathOptions)
          : {};
      const settings = resolveCoordinatorSettings(flags, file);
      const name = hostname();
      const tell = teller(console, settings, "coordinator", name);
      const security = await transportSecurity(settings.tls);
      const metrics = new CoordinatorMetrics();
      const serve = async (stop: AbortSignal) => {
        const coordinator: Coordinator = await startCoordinator({
          settings,
          security,
          onEvent: (event) => {
            const { kind, worker, address, reason } = event;
            if (kind === "lost") metrics.workerLosses.inc();
            const level = kind === "lost" || kind === "refused" ? "warn" : "info";
            tell(`worker ${worker} ${kind}${address ? ` (${address})` : ""}: ${reason}`, { ...event }, level);
          },
          routes: {
            "/metrics": metricsRoute(metrics.registry, () => showMembers(metrics, coordinator.workers)),
          },
        });
        const { address, httpPort } = coordinator;
        tell(`reached at ${address}${httpPort === null ? "" : `, HTTP on port ${httpPort}`}`, {
          address,
          httpPort,
        });
        await untilAborted(stop);
        await coordinator.close();
      };
      await withTraces(settings, "coordinator", name, () => runService(surroundings, serve));
      done(exitCodes.ok);
    }),
  );
}
