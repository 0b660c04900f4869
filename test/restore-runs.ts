/** Restore runs over an in-process fleet, with few steps. */
import { availableParallelism } from "node:os";
import type { RestoreReport } from "../coordinator/restore/report.js";
import type { RestoreEvent } from "../coordinator/restore/restore-event.js";
import { runRestore, type StartFleet } from "../coordinator/restore/run.js";
import { type RestoreOptions, resolveRestoreSettings } from "../shared/config/restore-settings.js";
import { inProcessFleet, priorPath } from "./in-process-fleet.js";

/** What a test run may set. */
export interface TestRun extends RestoreOptions {
  readonly inputs: readonly string[];
  readonly signal?: AbortSignal;
  readonly startFleet?: StartFleet;
  readonly onEvent?: (event: RestoreEvent) => void;
}

/** Runs `deqfleet restore` without the command line: 3 steps and 2 workers unless the test says otherwise. */
export function restore({
  inputs,
  signal,
  startFleet,
  onEvent,
  ...options
}: TestRun): Promise<RestoreReport> {
  const settings = resolveRestoreSettings(
    inputs,
    { steps: 3, workers: 2, ...options },
    {},
    { cwd: process.cwd(), defaultModel: priorPath },
  );
  return runRestore({
    settings,
    startFleet: startFleet ?? (({ workers }) => inProcessFleet(workers)),
    signal: signal ?? new AbortController().signal,
    onEvent: onEvent ?? (() => {}),
    cores: availableParallelism(),
  });
}
