/** `deqfleet coordinator`: its flags, and what it prints. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { Command } from "commander";
import { showMembers } from "../coordinator/fleet/member-metrics.js";
import { type JobHost, startJobs } from "../coordinator/job-host.js";
import { countJobEvent, showJobs } from "../coordinator/jobs/job-metrics.js";
import { type Coordinator, startCoordinator } from "../coordinator/process.js";
import {
  coordinatorOptionsSchema,
  defaultCoordinatorAddress,
  defaultJobFolder,
  resolveCoordinatorSettings,
} from "../shared/config/coordinator-settings.js";
import { checkOptionsOf, flagOf, readOptionsFile } from "../shared/config/options.js";
import { processPathOptions } from "../shared/config/process-settings.js";
import { defaultConcurrentRequests } from "../shared/config/security-settings.js";
import { transportSecurity } from "../shared/security/transport-security.js";
import { CoordinatorMetrics, metricsRoute } from "../shared/telemetry/metrics.js";
import { wireTotals } from "../shared/wire/wire-traffic.js";
import { exitCodes } from "./exit-codes.js";
import { describeJobEvent } from "./job-events.js";
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
    .option(
      "--rounds <host:port>",
      "where workers of other machines come for the rounds of cut chains, or off (default: --listen's host, a free port)",
    )
    .option("--http <host:port>", "where /healthz and /readyz are served (default: nowhere)")
    .option("--nats <url,...>", "NATS servers that keep the jobs; several coordinators may share them")
    .option(
      "--data <dir>",
      `folder that keeps the jobs where there is no NATS (default: ${defaultJobFolder})`,
    )
    .option("--api <host:port>", "where the public API is served besides (default: nowhere)")
    .option("--api-tokens <file>", "bearer tokens that the public API asks for, one a line (default: none)")
    .option(
      "--api-concurrency <n>",
      `requests the public API serves at the same time (default: ${defaultConcurrentRequests})`,
      number,
    )
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
          ? await readOptionsFile(resolve(cwd, config), coordinatorOptionsSchema, [
              "data",
              "apiTokens",
              ...processPathOptions,
            ])
          : {};
      const settings = resolveCoordinatorSettings(flags, file, { cwd });
      const name = hostname();
      const tell = teller(console, settings, "coordinator", name);
      const security = await transportSecurity(settings.tls);
      const metrics = new CoordinatorMetrics();
      metrics.observeExchanges();
      const serve = async (stop: AbortSignal) => {
        let jobs: JobHost | undefined;
        const coordinator: Coordinator = await startCoordinator({
          settings,
          security,
          onEvent: (event) => {
            const { kind, worker, address, reason } = event;
            if (kind === "lost") metrics.workerLosses.inc();
            const level = kind === "lost" || kind === "refused" ? "warn" : "info";
            tell(`worker ${worker} ${kind}${address ? ` (${address})` : ""}: ${reason}`, { ...event }, level);
          },
          ready: () => (jobs ? { ok: true, detail: "ok" } : { ok: false, detail: "opening the log of jobs" }),
          routes: {
            "/metrics": metricsRoute(metrics.registry, async () => {
              metrics.wire.show(wireTotals());
              showMembers(metrics, coordinator.workers);
              if (jobs) await showJobs(metrics, jobs.engine);
            }),
          },
        });
        try {
          jobs = await startJobs({
            settings,
            security,
            coordinator,
            onEvent: (event) => {
              countJobEvent(metrics, event);
              const { line, fields, level } = describeJobEvent(event);
              tell(line, fields, level);
            },
          });
          const { address, httpPort } = coordinator;
          const { apiPort } = jobs;
          const http = httpPort === null ? "" : `, HTTP on port ${httpPort}`;
          const api = apiPort === null ? "" : `, API on port ${apiPort}`;
          if (settings.tls !== null && settings.api?.access.tokens === null) {
            tell("the API takes jobs from everybody who reaches it: give --api-tokens", {}, "warn");
          }
          tell(`reached at ${address}${http}${api}`, { address, httpPort, apiPort });
          await untilAborted(stop);
        } finally {
          // Items in hand are given back while their workers are still there.
          await jobs?.close();
          await coordinator.close();
        }
      };
      await withTraces(settings, "coordinator", name, () => runService(surroundings, serve));
      done(exitCodes.ok);
    }),
  );
}
