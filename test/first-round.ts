/** The command of a chain's first round, as the solver gives it. */
import type { RoundCommand } from "../shared/chain/slice-host.js";

/** @param begin first step evaluated @param end one past the last */
export const firstRound = (begin: number, end: number): RoundCommand => ({
  round: 1,
  correctFrom: undefined,
  evaluateFrom: begin,
  evaluateTo: end,
  correction: undefined,
  gram: undefined,
  forget: false,
  plain: false,
  restart: false,
  correctAhead: true,
});
