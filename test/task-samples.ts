/** One operator of every task at small sizes, non-square where the task permits. */
import type { DegradationOperator } from "../shared/operators/operator.js";
import type { PixelMask } from "../shared/operators/pixel-mask.js";
import { createOperator, type PictureSize, type TaskSettings } from "../shared/operators/task.js";

/** Settings that make an operator. */
export interface TaskSample {
  readonly name: string;
  readonly settings: TaskSettings;
  readonly size: PictureSize;
  readonly mask: PixelMask | undefined;
}

/** A mask that keeps about two pixels of three, in no regular pattern. */
function irregularMask({ height, width }: PictureSize): PixelMask {
  const kept = Uint8Array.from({ length: height * width }, (_, p) => ((p * p + 3 * p) % 7 < 4 ? 1 : 0));
  return { height, width, kept };
}

function sample(
  settings: TaskSettings,
  height: number,
  width: number,
  name: string = settings.task,
): TaskSample {
  const size = { height, width };
  const mask = settings.task === "inpaint" ? irregularMask(size) : undefined;
  return { name: `${name} ${height}x${width}`, settings, size, mask };
}

/** All eight tasks; both forms of the blur; square and not. */
export const taskSamples: readonly TaskSample[] = [
  sample({ task: "sr-average", scale: 4 }, 8, 8),
  sample({ task: "sr-average", scale: 2 }, 6, 10),
  sample({ task: "sr-bicubic", scale: 4 }, 8, 8),
  sample({ task: "sr-bicubic", scale: 2 }, 10, 6),
  sample({ task: "inpaint" }, 8, 8),
  sample({ task: "inpaint" }, 5, 9),
  sample({ task: "colorize" }, 8, 8),
  sample({ task: "colorize" }, 7, 5),
  sample({ task: "deblur-gauss", blurForm: "exact" }, 8, 12),
  sample({ task: "deblur-uniform", blurForm: "exact" }, 10, 8),
  sample({ task: "deblur-aniso", blurForm: "exact" }, 9, 9),
  sample({ task: "deblur-gauss", blurForm: "deqir" }, 8, 8, "deblur-gauss (deqir)"),
  sample({ task: "deblur-uniform", blurForm: "deqir" }, 8, 10, "deblur-uniform (deqir)"),
  sample({ task: "cs-hadamard", ratio: 0.5, permutationSeed: 3 }, 8, 8),
  sample({ task: "cs-hadamard", ratio: 0.25, permutationSeed: 0 }, 4, 16),
];

/** The operator of a sample. */
export const operatorOf = ({ settings, size, mask }: TaskSample): DegradationOperator =>
  createOperator(settings, size, mask ? { mask } : {});
