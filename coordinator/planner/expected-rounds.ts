/** How many rounds a cut chain is expected to need. */
import type { MethodName } from "../../shared/chain/method.js";

/** Rounds to convergence at T = 25, measured on the default prior over all tasks, rounded up. */
const roundsAt25: Readonly<Record<MethodName, number>> = { secant: 8, deqir: 16, picard: 20, paradigms: 20 };

/** Rounds grow like T^0.3: 8 at T = 25 become 10 at T = 50 and 13 at T = 100. */
const growth = 0.3;

/** Rounds a chain of T steps is expected to need; never more than T, which always suffice. */
export function expectedRounds(steps: number, method: MethodName): number {
  return Math.min(steps, Math.ceil(roundsAt25[method] * (steps / 25) ** growth));
}
