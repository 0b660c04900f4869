/**
 * The round loop: a chain cut into slices, corrected until the residual of the whole chain is below tolerance.
 *
 * Invariants:
 * 1. States 0..done are final: `done` grows by at least one a round, so T rounds always suffice.
 * 2. A round costs one tensor up and one tensor down per slice, whatever T is. It is one exchange, and where mixing is
 *    triangular another one before it, of some numbers.
 * 3. A lost slice is re-seeded from its boundary states; only what it held is computed again. If it is lost after the last
 *    round, there is one round more.
 * 4. Borders move between rounds where that saves more than it costs; it changes no state.
 * 5. A method that overflows, diverges or stalls gives way to plain iteration; what is final stays final.
 *
 * Source: DeqIR (arXiv 2311.11600) for the joint system; the scan is derived in docs/how-it-works.md.
 */

import { sumsBefore } from "../../shared/chain/gram-sums.js";
import { isPlain, type Method, methods, windowOf } from "../../shared/chain/method.js";
import type { ChainSpec, SliceHost } from "../../shared/chain/slice-host.js";
import { noiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import { PictureError, RetryableError } from "../../shared/errors.js";
import type { StateSpace } from "../../shared/kernels/state-space.js";
import { expectedRounds } from "../planner/expected-rounds.js";
import { type BorderPolicy, BorderWatch } from "./border-watch.js";
import { finalSteps, largestOf, residualRatio, toleratedSteps } from "./convergence.js";
import { cutChain } from "./cut-chain.js";
import { type Fallback, FallbackWatch } from "./fallback.js";
import { OpenSlices, type RoundOutcome } from "./open-slices.js";
import {
  BoundaryCorrections,
  type ChainScan,
  type EntryCorrections,
  type PrefixScan,
} from "./prefix-scan.js";
import { RoundClock, type SolveSeconds } from "./round-clock.js";

/** When to stop. */
export interface SolveSettings {
  /** tol: root-mean-square residual allowed, relative to the noise level of each state. */
  readonly tolerance: number;
  /** Rounds allowed; undefined: T, which always suffices. */
  readonly maxRounds: number | undefined;
  /** Steps from the first that is not final on that are evaluated in a round; 1: the serial chain. Undefined: the method's. */
  readonly window?: number | undefined;
}

/** Lost slices a chain survives before its picture is handed back for another attempt. */
const maxLosses = 8;

/** What a round found, for progress display. */
export interface RoundProgress {
  readonly round: number;
  /** Largest residual relative to its tolerance; at or below 1 the chain has converged. */
  readonly largestRatio: number;
  /** States that are final, of T. */
  readonly done: number;
}

/** A solved chain. */
export interface Solution {
  /** z_T on the canvas, [3, H, W]. */
  readonly picture: Float32Array;
  /** Rounds of evaluations; for the serial chain T, one step each. */
  readonly rounds: number;
  /** Network evaluations of one state each. */
  readonly evaluations: number;
  /** Largest residual ratio of every round. */
  readonly residuals: readonly number[];
  readonly converged: boolean;
  /** Slices that were lost and re-seeded. */
  readonly losses: number;
  /** Steps that changed hands when borders moved. */
  readonly moved: number;
  /** Present if the method was given up for plain iteration. */
  readonly fallback: Fallback | undefined;
  readonly seconds: SolveSeconds;
}

/** What the solver works with. */
export interface SolverParts {
  readonly host: SliceHost;
  readonly scan: PrefixScan;
  /** The chain's operator. */
  readonly operator: StateSpace;
  /** Decides where borders belong; default: what the rounds of this chain show. */
  readonly borders?: BorderPolicy | undefined;
}

/**
 * Solves a chain in parallel over the host's slices.
 * @throws RetryableError if too many slices were lost, PictureError if the network's output is not finite
 */
export async function solveTimeParallel(
  chain: ChainSpec,
  settings: SolveSettings,
  parts: SolverParts,
  signal: AbortSignal,
  onRound: (progress: RoundProgress) => void = () => {},
): Promise<Solution> {
  const { host, scan, operator } = parts;
  const clock = new RoundClock();
  const schedule = noiseSchedule(chain.schedule);
  const { steps } = schedule;
  const cut = cutChain(steps, host.width, (worker) => host.pace?.(worker, chain.canvas));
  const longest = Math.max(...cut.map(({ begin, end }) => end - begin));
  const borders = parts.borders ?? new BorderWatch(longest);
  const slices = await OpenSlices.open(chain, cut, host, signal);
  let boundaries: ChainScan | undefined;
  try {
    boundaries = await scan.open(operator, cut.length);
    const residuals: number[] = [];
    let evaluations = 0;
    let losses = 0;
    let done = 0;
    let limit = settings.maxRounds ?? steps;
    let correctFrom: number | undefined;
    let corrections: EntryCorrections = [];
    let converged = false;
    let lost = false;
    let fallback: Fallback | undefined;
    let moved = 0;
    let evaluatedTo = 0;
    const method: Method = methods[chain.method];
    const rounds = Math.min(limit, expectedRounds(steps, chain.method));
    const window = settings.window ?? windowOf(method, steps);
    const watch = new FallbackWatch(steps, isPlain(method), window < steps);
    /** Counts what an exchange spent and lost. @returns seconds that it took */
    const account = ({ reports, reseeded, earliestLoss }: RoundOutcome): number => {
      const seconds = clock.endExchange(reports.map((report) => report.seconds));
      evaluations += reports.reduce((sum, report) => sum + report.evaluations, 0);
      losses += reseeded;
      if (losses > maxLosses)
        throw new RetryableError(`${losses} slices of ${chain.pictureId} were lost in one chain`);
      fallBackTo(earliestLoss);
      return seconds;
    };
    /** What a lost slice held is no longer final, and plain iteration needs those rounds again. */
    const fallBackTo = (begin: number): void => {
      if (begin >= done) return;
      if (settings.maxRounds === undefined) limit += done - begin;
      done = begin;
    };
    let picture: Float32Array;
    for (;;) {
      if (converged || done >= steps || residuals.length >= limit) {
        clock.startExchange();
        const nothing = {
          ...{ evaluateFrom: steps, evaluateTo: steps },
          ...{ restart: false, correctAhead: false },
        };
        const plain = fallback !== undefined;
        const last = { round: residuals.length + 1, correctFrom, ...nothing, forget: lost, plain };
        const end = await slices.finish(last, corrections, signal);
        if ("picture" in end) {
          clock.endExchange([end.seconds]);
          picture = end.picture;
          break;
        }
        // It is replaced in a round more, even where no more were allowed: else all of them were for nothing.
        fallBackTo(end.lostFrom);
        limit = Math.max(limit, residuals.length + 1);
        converged = false;
        lost = true;
      }
      const round = residuals.length + 1;
      const plain = fallback !== undefined;
      const lossesBefore = losses;
      let forget = lost;
      let grams: number[][] | undefined;
      const mixes = method.mixing?.fit === "triangular" && !plain;
      // Slices that are final once they are corrected are corrected before the round: if one is lost, its steps are evaluated again,
      // and so have to be all those between it and the window.
      if (correctFrom !== undefined && (mixes || slices.ranges[0].end < done)) {
        // What a replaced slice finds meanwhile nobody hears of.
        const nothing = { evaluateFrom: steps, evaluateTo: steps, restart: false, correctAhead: false };
        clock.startExchange();
        const corrected = await slices.round(
          { round, correctFrom, ...nothing, forget, plain },
          corrections,
          signal,
        );
        account(corrected);
        forget = corrected.reseeded > 0;
        if (mixes && !forget) grams = sumsBefore(corrected.reports.map(({ gram }) => gram));
        correctFrom = undefined;
        corrections = [];
      }
      const evaluateTo = Math.min(steps, done + window);
      const command = {
        ...{ round, correctFrom, evaluateFrom: done, evaluateTo },
        ...{ forget, plain, restart: false, correctAhead: true },
      };
      const work = { begin: done, end: evaluateTo };
      const left = Math.max(1, rounds - residuals.length);
      // Mixing would have to take its history along, ten states for one.
      const movable = correctFrom !== undefined && !forget && method.mixing === undefined;
      const move = movable
        ? borders.plan({ held: slices.ranges, idle: slices.idle, work, rounds: left })
        : undefined;
      if (slices.idle.length > 0 && host.next?.waits()) {
        const kept = new Set(move?.ranges.map(({ worker }) => worker));
        await slices.leave((worker) => !kept.has(worker), host.next.leave, signal);
      }
      clock.startExchange();
      const plan = move && { ...move, evaluatedTo };
      const outcome = await slices.round(command, corrections, signal, { grams, plan });
      const seconds = account(outcome);
      evaluatedTo = evaluateTo;
      if (outcome.moved) {
        moved += outcome.moved.steps;
        borders.observeMove(outcome.moved.steps, outcome.moved.seconds);
      } else {
        const workers = slices.ranges.map(({ worker }) => worker);
        borders.observe(workers, outcome.reports, seconds);
      }
      lost = outcome.reseeded > 0;
      const meanSquares = outcome.reports.flatMap((report) => report.residuals);
      const ratios = meanSquares.map((r, i) => residualRatio(schedule, done + i, r, settings.tolerance));
      const largestRatio = largestOf(ratios);
      residuals.push(largestRatio);
      converged = largestRatio <= 1 && evaluateTo === steps;
      if (losses > lossesBefore) watch.forget();
      const reason = watch.observe(largestRatio);
      if (reason) fallback ??= { round, reason };
      const exact = method.freeze === "exact";
      const final = exact ? finalSteps(done, meanSquares, steps) : toleratedSteps(done, ratios);
      const from = done;
      done = Math.min(final, evaluateTo - 1) + 1;
      // Corrections that slices report count all residuals. Those within tolerance are not nothing: left out of the states that are
      // kept for good, they would set both copies of a boundary state apart.
      correctFrom = exact ? done - 1 : from;
      // Plain iteration goes on from the better of the states as they are and as they were at the start.
      if (reason && watch.worseThanStart(largestRatio)) {
        const fromHere = { ...command, correctFrom, evaluateFrom: steps, evaluateTo: steps, plain: true };
        await slices.restart(fromHere, signal);
        done = correctFrom + 1;
        correctFrom = undefined;
        corrections = [];
      } else {
        const made = new BoundaryCorrections(slices.ranges, outcome.reports, correctFrom, boundaries);
        const before = slices.ranges.length;
        slices.rest(correctFrom);
        corrections = made.from(before - slices.ranges.length);
      }
      onRound({ round, largestRatio, done });
    }
    refuseNonFinite(picture, chain);
    return {
      picture,
      rounds: residuals.length,
      evaluations,
      residuals,
      converged: converged || done >= steps,
      losses,
      moved,
      fallback,
      seconds: clock.seconds(),
    };
  } finally {
    boundaries?.close();
    await slices.close();
  }
}

/**
 * Runs a whole chain on one worker, one step after the other.
 * @param index the worker's slice number
 * @throws RetryableError if the worker was lost, PictureError if the network's output is not finite
 */
export async function solveSerial(
  chain: ChainSpec,
  host: SliceHost,
  index: number,
  signal: AbortSignal,
): Promise<Solution> {
  const clock = new RoundClock();
  const { steps } = chain.schedule;
  const slice = await host.open({ chain, begin: 0, end: steps, seeds: undefined }, index, signal);
  try {
    clock.startExchange();
    const report = await slice.serial(signal);
    clock.endExchange([report.seconds]);
    const { exit: picture, evaluations } = report;
    refuseNonFinite(picture, chain);
    const base = { picture, rounds: steps, evaluations, residuals: [], converged: true, losses: 0, moved: 0 };
    return { ...base, fallback: undefined, seconds: clock.seconds() };
  } finally {
    await slice.close();
  }
}

/** Rounds look at samples of large pictures; the result is looked at whole. */
function refuseNonFinite(picture: Float32Array, { pictureId }: ChainSpec): void {
  if (picture.every((value) => Number.isFinite(value))) return;
  throw new PictureError(
    `picture ${pictureId}: the restored picture is not finite; check the model (fp16 overflow?) and the picture`,
  );
}
