/**
 * The methods of solving a chain in parallel. All share one round (see `docs/how-it-works.md`): every step is evaluated
 * at the current states, and the corrections follow from the scan delta_{i+1} = J_i delta_i + (f_i(z_i) - z_{i+1}).
 * A method is the choice of J, of the starting states, and of what becomes of the corrected states.
 */

/**
 * Stand-in for the Jacobian of a step, a scalar on each part: with the noise estimate held, with the step's whole change
 * f(z) - z held, or estimated by secants.
 */
export type Jacobian = "held-noise" | "held-change" | "secant";

/** Starting states: copies of z_0 (DeqIR), or q-samples of A^+ y with z_0 as their noise. */
export type Start = "noise" | "measurement";

/** Whose corrections a state's coefficients are fitted to: its own (DeqIR), or those of all states up to it (ParaTAA). */
export type Fit = "own" | "triangular";

/** Anderson mixing of the corrected states, each state with coefficients of its own. */
export interface Mixing {
  readonly fit: Fit;
  /** m: how many past iterates are mixed. */
  readonly memory: number;
  /** lambda: added to the diagonal of the Gram matrix, absolute. */
  readonly ridge: number;
}

/** States are final, and leave the window, once they are exact but for rounding, or already within the tolerance. */
export type Freeze = "exact" | "tolerance";

/** A method, as the choices the shared round leaves open. */
export interface Method {
  readonly jacobian: Jacobian;
  readonly start: Start;
  readonly mixing: Mixing | undefined;
  readonly freeze: Freeze;
  /** Window where none is asked for, as a share of the chain. */
  readonly window: number;
}

/** The methods by name. */
export const methods = {
  /** DeqIR's joint analytic system (arXiv 2311.11600, eq. 9) iterated plainly. */
  picard: { jacobian: "held-noise", start: "noise", mixing: undefined, freeze: "exact", window: 1 },
  /** DeqIR as published: the joint system with Anderson mixing per state. */
  deqir: {
    jacobian: "held-noise",
    start: "noise",
    mixing: { fit: "own", memory: 5, ridge: 1e-3 },
    freeze: "exact",
    window: 1,
  },
  /**
   * ParaDiGMS (arXiv 2305.16317): sums of the steps' changes, over a window that slides past what is within tolerance. A
   * wider window was measured to evaluate more and to end no sooner.
   */
  paradigms: {
    jacobian: "held-change",
    start: "noise",
    mixing: undefined,
    freeze: "tolerance",
    window: 1 / 4,
  },
  /**
   * ParaTAA (arXiv 2402.09970) at its full order: the joint system with triangular Anderson mixing. A state is fitted to the
   * corrections of all states before it as well, so that a round takes one exchange of Gram sums more.
   */
  parataa: {
    jacobian: "held-noise",
    start: "noise",
    mixing: { fit: "triangular", memory: 4, ridge: 1e-3 },
    freeze: "exact",
    window: 1,
  },
  /** A secant estimate per step and part, from restoration-aware starting states. The default. */
  secant: { jacobian: "secant", start: "measurement", mixing: undefined, freeze: "exact", window: 1 },
} as const satisfies Record<string, Method>;

export type MethodName = keyof typeof methods;

/** p: steps of a chain that a method evaluates in a round, if it is left to choose. 1 or more. */
export const windowOf = ({ window }: Method, steps: number): number => Math.ceil(window * steps);

/** Whether a method is plain iteration already, which every other one falls back to. */
export const isPlain = ({ jacobian, mixing }: Method): boolean =>
  jacobian === "held-noise" && mixing === undefined;

export const methodNames = Object.keys(methods) as MethodName[];

/** The default: the fewest rounds of those measured (docs/benchmarks.md). */
export const defaultMethod: MethodName = "secant";
