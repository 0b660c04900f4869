/** The three blurs of DeqIR: a symmetric line kernel along the height and one along the width, each of sum 1. */

/** The deblurring tasks. */
export const blurTasks = ["deblur-gauss", "deblur-uniform", "deblur-aniso"] as const;

/** A deblurring task's name. */
export type BlurTask = (typeof blurTasks)[number];

/** Line kernels with an odd number of taps, the middle one at the pixel itself. */
export interface BlurKernels {
  /** Taps along the height (DeqIR's kernel1). */
  readonly rows: readonly number[];
  /** Taps along the width (DeqIR's kernel2). */
  readonly columns: readonly number[];
}

/** exp(-d^2 / 2 sigma^2) at d = -taps/2 .. taps/2, normalised. sigma in pixels. */
function gaussian(taps: number, sigma: number): number[] {
  const weights = Array.from({ length: taps }, (_, k) =>
    Math.exp(-0.5 * ((k - (taps - 1) / 2) / sigma) ** 2),
  );
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((w) => w / sum);
}

/** The kernels of a blur. Source: DeqIR, runners/diffusion.py (`deblur_gauss`, `deblur_uni`, `deblur_aniso`). */
export function blurKernels(task: BlurTask): BlurKernels {
  switch (task) {
    case "deblur-gauss": {
      const kernel = gaussian(5, 10);
      return { rows: kernel, columns: kernel };
    }
    case "deblur-uniform": {
      const kernel = Array.from({ length: 9 }, () => 1 / 9);
      return { rows: kernel, columns: kernel };
    }
    case "deblur-aniso":
      return { rows: gaussian(9, 1), columns: gaussian(9, 20) };
  }
}
