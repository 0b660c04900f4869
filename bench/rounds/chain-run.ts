/** One chain, solved in parallel and looked at round by round, beside the serial chain. */
import { cutChain } from "../../coordinator/solver/cut-chain.js";
import { type MethodName, methods } from "../../shared/chain/method.js";
import { defaultTolerance } from "../../shared/config/restore-settings.js";
import type { TaskSettings } from "../../shared/operators/task.js";
import { qualityAgainst } from "../../shared/pictures/metrics.js";
import { clampedPsnr, loadPhoto, type PhotoName } from "../photo-chain.js";
import type { PhotoSolver } from "../photo-solver.js";
import { TappingHost } from "../tapping-host.js";

/** Which chain. */
export interface ChainChoice {
  readonly task: TaskSettings;
  readonly steps: number;
  readonly method: MethodName;
  readonly photo: PhotoName;
  readonly seed: number;
  readonly size: number;
  /** Rounds looked at; undefined: as many as it takes, T at most. */
  readonly maxRounds?: number | undefined;
}

/** Against the true picture. */
export interface TrueQuality {
  /** dB. */
  readonly psnr: number;
  readonly ssim: number;
}

/** What became of a chain. */
export interface ChainRun extends Omit<ChainChoice, "task"> {
  readonly task: TaskSettings["task"];
  /** dB against the serial picture after k rounds; entry 0: before the first. */
  readonly psnr: readonly number[];
  /** Network evaluations spent in the first k rounds. */
  readonly evaluations: readonly number[];
  /** Steps evaluated in round k + 1. */
  readonly windows: readonly { readonly from: number; readonly to: number }[];
  /** Rounds after which the default tolerance stops (Infinity: not within those looked at), and dB against the serial picture there. */
  readonly stop: { readonly rounds: number; readonly psnr: number };
  /** Round from which on the method had been given up; absent if it was not. */
  readonly plainFrom?: number | undefined;
  /** The picture at 50 dB of the serial one (the last one, if it never was), against the true picture. */
  readonly quality: TrueQuality;
}

/** dB at which the comparisons with fewer steps are made: no eye sees the difference. */
export const equalDecibels = 50;

/** Small enough that no run stops by it: how far it goes is decided by what is seen. */
const endless = 1e-9;

/** A run is looked at until this many rounds in a row are this close. */
const settled = { decibels: 66, rounds: 3 };

class SeenEnough extends Error {}

/** Rounds after which the picture is within `level` dB for good; Infinity: not within the rounds that were looked at. */
export function roundsTo({ psnr }: Pick<ChainRun, "psnr">, level: number): number {
  const last = psnr.findLastIndex((value) => !(value >= level));
  return last + 1 < psnr.length ? last + 1 : Number.POSITIVE_INFINITY;
}

/** Network evaluations until within `level` dB for good. */
export const evaluationsTo = (run: Pick<ChainRun, "psnr" | "evaluations">, level: number): number =>
  run.evaluations[roundsTo(run, level)] ?? Number.POSITIVE_INFINITY;

/**
 * Evaluations that have to be made one after the other until within `level` dB for good, on `workers` workers: in every round
 * those of the slice that has most of the window.
 */
export function criticalPathTo(
  run: Pick<ChainRun, "psnr" | "windows" | "steps">,
  level: number,
  workers: number,
): number {
  const rounds = roundsTo(run, level);
  if (!Number.isFinite(rounds)) return rounds;
  const slices = cutChain(run.steps, workers);
  return run.windows.slice(0, rounds).reduce((sum, { from, to }) => {
    const inside = slices.map(({ begin, end }) => Math.max(0, Math.min(end, to) - Math.max(begin, from)));
    return sum + Math.max(...inside);
  }, 0);
}

/** How close a picture [3, size, size] in [-1, 1] is to the photograph it was made from. */
export async function trueQuality(
  photo: PhotoName,
  size: number,
  picture: Float32Array,
): Promise<TrueQuality> {
  const shape = { channels: 3, height: size, width: size };
  const { psnr, ssim } = qualityAgainst(await loadPhoto(photo, size), picture, shape);
  return { psnr, ssim };
}

/** Rounds and dB at the default tolerance, for a method whose rounds depend on the tolerance. */
async function stopOf(
  solver: PhotoSolver,
  choice: ChainChoice,
  serial: Float32Array,
): Promise<ChainRun["stop"]> {
  const asIs = { tolerance: defaultTolerance, maxRounds: choice.maxRounds };
  const { rounds, picture, converged } = await solver.timeParallel(choice, asIs, solver.host(1));
  return { rounds: converged ? rounds : Number.POSITIVE_INFINITY, psnr: clampedPsnr(picture, serial) };
}

/** Solves a chain, and goes on until its picture no longer changes by what is measured, T rounds at most. */
export async function runChain(solver: PhotoSolver, choice: ChainChoice): Promise<ChainRun> {
  const serial = await solver.serialPicture(choice);
  const tap = new TappingHost(solver.host(1));
  const psnr: number[] = [];
  let met: number | undefined;
  const look = () => {
    for (const picture of tap.pictures.slice(psnr.length)) psnr.push(clampedPsnr(picture, serial));
  };
  const settings = { tolerance: endless, maxRounds: choice.maxRounds };
  try {
    await solver.timeParallel(choice, settings, tap, (progress) => {
      if (progress.largestRatio <= defaultTolerance / endless) met ??= progress.round;
      look();
      const last = psnr.slice(-settled.rounds);
      if (met !== undefined && met < psnr.length && last.every((value) => value >= settled.decibels))
        throw new SeenEnough();
    });
  } catch (error) {
    if (!(error instanceof SeenEnough)) throw error;
  }
  look();
  const looked = psnr.length - 1;
  // T rounds always suffice.
  const rounds = met ?? (looked === choice.steps ? looked : Number.POSITIVE_INFINITY);
  const { task, photo, size, method } = choice;
  const close = Math.min(roundsTo({ psnr }, equalDecibels), looked);
  return {
    ...choice,
    task: task.task,
    psnr,
    evaluations: tap.evaluations.slice(0, psnr.length),
    windows: tap.windows.slice(0, psnr.length - 1),
    stop:
      methods[method].freeze === "exact"
        ? { rounds, psnr: psnr[Math.min(rounds, looked)] }
        : await stopOf(solver, choice, serial),
    plainFrom: tap.plainFrom,
    quality: await trueQuality(photo, size, tap.pictures[close]),
  };
}
