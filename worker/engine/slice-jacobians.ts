/** J of every step of a slice, from the first guess to the latest secants. */
import {
  heldChangeJacobian,
  heldNoiseJacobian,
  heldPictureJacobian,
  type SecantProducts,
  type StepJacobian,
  secantJacobian,
} from "../../shared/chain/jacobian.js";
import { type Jacobian, methods } from "../../shared/chain/method.js";
import type { SliceSpec } from "../../shared/chain/slice-host.js";
import type { NoiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import type { Part } from "../../shared/kernels/state-space.js";

/** What is known of a step before anything is. */
function guessed({ chain }: SliceSpec, schedule: NoiseSchedule, kind: Jacobian, step: number): StepJacobian {
  if (kind === "held-noise") return heldNoiseJacobian(schedule, step, chain.weights);
  return kind === "held-change" ? heldChangeJacobian : heldPictureJacobian(schedule, step);
}

/** J of the steps [begin, end) of a slice; step r of the slice is step begin + r of the chain. */
export class SliceJacobians {
  readonly #spec: SliceSpec;
  readonly #schedule: NoiseSchedule;
  readonly #kind: Jacobian;
  #values: StepJacobian[];
  #plain = false;

  constructor(spec: SliceSpec, schedule: NoiseSchedule) {
    this.#spec = spec;
    this.#schedule = schedule;
    this.#kind = methods[spec.chain.method].jacobian;
    this.#values = this.#all(this.#kind);
  }

  #all(kind: Jacobian): StepJacobian[] {
    const { begin, end } = this.#spec;
    return Array.from({ length: end - begin }, (_, r) =>
      guessed(this.#spec, this.#schedule, kind, begin + r),
    );
  }

  /** By step of the slice. */
  get values(): readonly StepJacobian[] {
    return this.#values;
  }

  /** Whether the method was given up for plain iteration. */
  get plain(): boolean {
    return this.#plain;
  }

  /** Whether they follow from what rounds show. */
  get learn(): boolean {
    return this.#kind === "secant" && !this.#plain;
  }

  /** Takes over what another slice knew of a step. */
  set(r: number, jacobian: StepJacobian): void {
    this.#values[r] = jacobian;
  }

  /** The secants of the steps from `from` on. */
  update(from: number, products: readonly Readonly<Record<Part, SecantProducts>>[]): void {
    for (const [i, of] of products.entries()) {
      const r = from + i;
      this.#values[r] = secantJacobian(this.#schedule, this.#spec.begin + r, of, this.#values[r]);
    }
  }

  /** Plain iteration from now on: DeqIR's joint system. */
  holdNoise(): void {
    this.#plain = true;
    this.#values = this.#all("held-noise");
  }
}
