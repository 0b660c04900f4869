/** `deqfleet plan`: what a restore run would choose, without restoring anything. */
import { batchLimits } from "../../shared/chain/batch-limits.js";
import type { RestoreSettings } from "../../shared/config/restore-settings.js";
import type { PictureSize } from "../../shared/operators/task.js";
import { workerShape } from "../planner/default-workers.js";
import { planRun, type RunPlan } from "../planner/plan-run.js";
import { expectedCanvas } from "./expected-canvas.js";
import { describeVersions } from "./machine.js";
import { findPlaces } from "./picture-places.js";
import type { StartFleet } from "./run.js";

/** What a plan is made for. */
export interface PlanRequest {
  readonly settings: RestoreSettings;
  readonly startFleet: StartFleet;
  readonly signal: AbortSignal;
  /** Folder that relative inputs start from. */
  readonly cwd: string;
  /** Folder for what may be found out again. */
  readonly cache: string;
  /** Cores to spread over. */
  readonly cores: number;
}

/** A plan and what it was made for. */
export interface PlannedRestore {
  readonly plan: RunPlan;
  readonly pictures: number;
  readonly size: PictureSize;
  readonly workers: number;
  /** Of each worker. */
  readonly threads: number;
}

/**
 * Starts the workers that the run would have, asks them what calls cost if that is not known, and stops them again.
 * @throws InputError if the inputs or the model cannot work, FatalError if no worker can be started
 */
export async function planRestore(request: PlanRequest): Promise<PlannedRestore> {
  const { settings, startFleet, signal, cwd, cache, cores } = request;
  const places = await findPlaces(settings, cwd);
  const pictures = places.length;
  const shape = workerShape({ ...settings, pictures, cores });
  const limits = batchLimits(settings.batch, settings.devices);
  const { model: modelPath, listen, devices } = settings;
  const fleet = await startFleet({
    ...shape,
    devices,
    batch: limits,
    modelPath,
    listen,
    signal,
    onEvent: () => {},
  });
  try {
    const size = await expectedCanvas(places[0].input, settings, fleet.network);
    const runtime = describeVersions().onnxruntime;
    const plan = await planRun({
      settings,
      fleet,
      pictures,
      size,
      limits,
      runtime,
      folder: cache,
      signal,
      measure: "always",
    });
    return { plan, pictures, size, ...shape };
  } finally {
    await fleet.close();
  }
}
