/** What the secant estimate remembers of the round before: samples of z and f(z) of every step, on both parts. */
import { type StepJacobian, secantJacobian } from "../../shared/chain/jacobian.js";
import type { NoiseSchedule } from "../../shared/diffusion/noise-schedule.js";
import type { StateKernels } from "../../shared/kernels/state-kernels.js";
import { type Part, parts } from "../../shared/kernels/state-space.js";
import type { Array32 } from "../../shared/onnx/session.js";
import { rowsOf } from "./slice-buffer.js";

type Samples = Record<"made" | "state", Record<Part, Float32Array>>;

/** Two rounds of samples, taking turns. */
export class SecantMemory {
  readonly #sizes: Record<Part, number>;
  readonly #steps: number;
  #now: Samples;
  #before: Samples;

  constructor({ samples: { range, null: rest } }: StateKernels, steps: number) {
    this.#sizes = { range: range.size, null: rest.size };
    this.#steps = steps;
    const part = (): Record<Part, Float32Array> => ({
      range: new Float32Array(steps * this.#sizes.range),
      null: new Float32Array(steps * this.#sizes.null),
    });
    const samples = (): Samples => ({ made: part(), state: part() });
    this.#now = samples();
    this.#before = samples();
  }

  #views(samples: Samples, prefix: string, from: number): Record<string, Array32> {
    const names = ["made", "state"] as const;
    return Object.fromEntries(
      names.flatMap((name) =>
        parts.map((part) => [
          `${prefix}${name}.${part}`,
          rowsOf(samples[name][part], this.#sizes[part], from, this.#steps),
        ]),
      ),
    );
  }

  /** The samples of the round before, as inputs. */
  inputs(from: number): Record<string, Array32> {
    return this.#views(this.#before, "previous.", from);
  }

  /** Where this round's samples and products go. */
  outputs(from: number): Record<string, Array32> {
    const outputs = this.#views(this.#now, "sample.", from);
    const count = this.#steps - from;
    for (const part of parts) {
      outputs[`dzdz.${part}`] = { values: new Float32Array(count), dims: [count] };
      outputs[`dzdf.${part}`] = { values: new Float32Array(count), dims: [count] };
    }
    return outputs;
  }

  /** This round becomes the one before. */
  advance(): void {
    [this.#now, this.#before] = [this.#before, this.#now];
  }
}

/** New estimates for the steps from `from` on, from the products in `outputs`. */
export function estimateJacobians(
  jacobians: StepJacobian[],
  outputs: Readonly<Record<string, Array32>>,
  schedule: NoiseSchedule,
  begin: number,
  from: number,
): void {
  for (let r = from; r < jacobians.length; r++) {
    const on = (part: Part) => ({
      dzdf: outputs[`dzdf.${part}`].values[r - from],
      dzdz: outputs[`dzdz.${part}`].values[r - from],
    });
    const products = { range: on("range"), null: on("null") };
    jacobians[r] = secantJacobian(schedule, begin + r, products, jacobians[r]);
  }
}
