/** Steps that move between slices, as messages; their numbers travel as one tensor. */
import type { MovedSteps, StepRun } from "../chain/slice-host.js";
import { RetryableError } from "../errors.js";
import type { MovedRun, MovedRun__Output } from "./generated/deqfleet/v1/MovedRun.js";

/** Moved steps without their numbers, and how many of them there are. */
export type MovedHeader = Omit<MovedSteps, "numbers"> & { readonly count: number };

/** The run, and how many numbers are its own. */
export function encodeMoved({ begin, end, entry, exit, jacobians, numbers }: MovedSteps): MovedRun {
  return {
    run: { begin, end, entry, exit },
    jacobians: jacobians.flatMap((j) => [j.range, j.null]),
    numbers: numbers.length,
  };
}

/** @throws RetryableError if it has not two factors a step */
export function decodeMoved({ run, jacobians, numbers: count }: MovedRun__Output): MovedHeader {
  if (!run || run.begin > run.end || jacobians.length !== 2 * (run.end - run.begin)) {
    throw new RetryableError("steps were moved without their Jacobians");
  }
  const { begin, end, entry, exit }: StepRun = run;
  const each = Array.from({ length: end - begin }, (_, i) => ({
    range: jacobians[2 * i],
    null: jacobians[2 * i + 1],
  }));
  return { begin, end, entry, exit, jacobians: each, count };
}

/** All numbers, one run after the other; undefined for none. */
export function joinNumbers(moved: readonly MovedSteps[]): Float32Array | undefined {
  if (moved.length <= 1) return moved[0]?.numbers;
  const joined = new Float32Array(moved.reduce((sum, { numbers }) => sum + numbers.length, 0));
  let at = 0;
  for (const { numbers } of moved) {
    joined.set(numbers, at);
    at += numbers.length;
  }
  return joined;
}

/** Gives each run its numbers. @throws RetryableError if there are more or fewer */
export function splitNumbers(
  headers: readonly MovedHeader[],
  numbers: Float32Array | undefined,
): MovedSteps[] {
  let at = 0;
  const moved = headers.map(({ count, ...run }) => {
    const from = at;
    at += count;
    return { ...run, numbers: numbers?.subarray(from, at) ?? new Float32Array() };
  });
  if (at !== (numbers?.length ?? 0)) {
    throw new RetryableError(`${numbers?.length ?? 0} numbers came with moved steps that have ${at}`);
  }
  return moved;
}
