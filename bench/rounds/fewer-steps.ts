/**
 * The honest rival of a cut chain: a serial chain with as many steps as the cut one needs evaluations one after the other. It
 * takes as long, on one worker, and computes less; the question is what its picture is worth.
 */
import type { TaskSettings } from "../../shared/operators/task.js";
import type { PhotoSolver } from "../photo-solver.js";
import { type ChainRun, criticalPathTo, equalDecibels, type TrueQuality, trueQuality } from "./chain-run.js";

/** A cut chain and its rival. */
export interface Comparison {
  readonly workers: number;
  /** Evaluations one after the other of the cut chain; Infinity if it never came close enough. */
  readonly criticalPath: number;
  /** Steps of the rival: as many, or T where the cut chain saves nothing. */
  readonly fewerSteps: number;
  readonly cut: TrueQuality;
  readonly rival: TrueQuality;
}

/** Compares a run with serial chains of equal latency, for each number of workers. */
export async function compareWithFewerSteps(
  solver: PhotoSolver,
  run: ChainRun,
  task: TaskSettings,
  workers: readonly number[],
): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const count of workers) {
    const criticalPath = criticalPathTo(run, equalDecibels, count);
    const fewerSteps = Math.min(criticalPath, run.steps);
    const picture = await solver.serialPicture({ ...run, task, steps: fewerSteps });
    const rival = await trueQuality(run.photo, run.size, picture);
    comparisons.push({ workers: count, criticalPath, fewerSteps, cut: run.quality, rival });
  }
  return comparisons;
}
