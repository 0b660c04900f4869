/** How many rounds a cut chain is expected to need, and how many states they evaluate: from recorded traces (bench/traces). */
import type { MethodName } from "../../shared/chain/method.js";

/** Rounds until the residual is within the default tolerance at T = 25, median over photographs and tasks. */
const roundsAt25: Readonly<Record<MethodName, number>> = {
  secant: 9,
  parataa: 13,
  deqir: 16,
  picard: 20,
  paradigms: 20,
};

/** Rounds grow like T^0.2: 9 at T = 25 become 10 at T = 50 and 12 at T = 100. */
const growth = 0.2;

/** Share of the states that are final when the last of the expected rounds begins. */
const finalAtLast = 0.45;

/** Rounds a chain of T steps is expected to need; never more than T, which always suffice. */
export function expectedRounds(steps: number, method: MethodName): number {
  return Math.min(steps, Math.max(1, Math.round(roundsAt25[method] * (steps / 25) ** growth)));
}

/** States that each of the expected rounds evaluates: fewer and fewer, as the first ones become final. */
export function expectedEvaluations(steps: number, rounds: number, window: number): number[] {
  return Array.from({ length: rounds }, (_, round) =>
    Math.min(window, Math.max(1, Math.ceil(steps * (1 - (finalAtLast * round) / rounds)))),
  );
}
