/** What a worker may answer when it is asked for steps. */
import type { StepRun } from "../../shared/chain/slice-host.js";
import { RetryableError } from "../../shared/errors.js";
import type { MovedHeader } from "../../shared/wire/moved-codec.js";

/**
 * Pictures that a step is at most: its state, and what its last evaluation left, which is two states and for both parts of each the
 * coordinates that ride along, fewer than a state has.
 */
const largestStep = 7;

/**
 * Compares given steps with those that were asked for, before memory is made for their numbers.
 * @param pictureNumbers numbers of a picture, and so of a state
 * @throws RetryableError if they are others, or have more numbers than such steps can have
 */
export function checkGiven({ begin, end }: StepRun, given: MovedHeader, pictureNumbers: number): void {
  const most = pictureNumbers * (largestStep * (end - begin) + 1);
  if (given.begin === begin && given.end === end && given.count <= most) return;
  throw new RetryableError(
    `steps ${given.begin}..${given.end} were given with ${given.count} numbers where ${begin}..${end} were due, with ${most} at most`,
  );
}
