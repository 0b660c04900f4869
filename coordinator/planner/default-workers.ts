/** How many workers a machine runs, and with how many threads, where the user leaves it open. */

import type { PlanName } from "../../shared/config/restore-settings.js";
import type { Goal } from "../../shared/jobs/goal.js";
import type { Device } from "../../shared/onnx/session.js";

/** More workers on one machine wait for its memory bus and hold one more copy of the network each. */
const mostWorkers = 8;

/** Workers and threads of each. */
export interface WorkerShape {
  readonly workers: number;
  readonly threads: number;
}

/** What the shape depends on. */
export interface WorkerShapeQuestion {
  /** Number given by the user, or null. */
  readonly workers: number | null;
  /** Number given by the user, or null. */
  readonly threads: number | null;
  /** What the workers run on, in turn. */
  readonly devices: readonly Device[];
  readonly plan: PlanName;
  readonly goal: Goal;
  /** Pictures to restore, 1 or more. */
  readonly pictures: number;
  /** T. */
  readonly steps: number;
  /** Cores of the machine. */
  readonly cores: number;
}

/**
 * One worker a core up to eight, but none that would have nothing to do: at most one a picture, or one a step where
 * chains are cut; with GPUs one a GPU. Few workers get several threads, so that a single picture still uses the whole machine.
 */
export function workerShape(question: WorkerShapeQuestion): WorkerShape {
  const { plan, goal, pictures, steps, cores, devices } = question;
  const cut = plan === "time-parallel" || (plan === "auto" && goal === "latency");
  const useful = cut ? steps : pictures;
  const most = devices.includes("cpu") ? Math.min(cores, mostWorkers) : devices.length;
  const workers = question.workers ?? Math.max(1, Math.min(most, useful));
  const threads = question.threads ?? Math.max(1, Math.floor(cores / workers));
  return { workers, threads };
}
