/** Operators of every kind, at sizes that lead the passes over rows through all of their loops. */
import type { DegradationOperator, PictureShape } from "../shared/operators/operator.js";
import type { TaskSettings } from "../shared/operators/task.js";
import { seededValues } from "./seeded-values.js";
import { operatorOf, type TaskSample, taskSamples } from "./task-samples.js";

/** An operator with the name of what is special about it. */
export interface RowSample {
  readonly name: string;
  readonly operator: DegradationOperator;
}

type Pattern = (line: number, column: number) => boolean;
const evenLines: Pattern = (line) => line % 2 === 0;
const oddLines: Pattern = (line) => line % 2 === 1;
const grid: Pattern = (line, column) => line % 2 === 0 && column % 2 === 0;
const everything: Pattern = () => true;

/** Without a pattern, a mask keeps three pixels of ten at random. */
function sample(settings: TaskSettings, height: number, width: number, keeps?: Pattern): RowSample {
  const draws = seededValues(height * width, 7);
  const kept = draws.map((v, i) => Number(keeps ? keeps(Math.floor(i / width), i % width) : v < -0.4));
  const mask = settings.task === "inpaint" ? { height, width, kept: Uint8Array.from(kept) } : undefined;
  const name = `${settings.task}${keeps ? ` ${keeps.name}` : ""} ${height}x${width}`;
  const task: TaskSample = { name, settings, size: { height, width }, mask };
  return { name, operator: operatorOf(task) };
}

/**
 * Colorization whose gray value weighs the channels very differently: deqfleet's own are 0.3333, 0.3334, 0.3333, and
 * channels that were mixed up would hardly show.
 */
function unevenGray(height: number, width: number): RowSample {
  const picture: PictureShape = { channels: 3, height, width };
  const area = height * width;
  const weights = Float32Array.from([0.36, 0.48, 0.8]);
  const gray = (x: Float32Array) =>
    Float32Array.from({ length: x.length / 3 }, (_, i) => {
      const at = 3 * area * Math.floor(i / area) + (i % area);
      return weights[0] * x[at] + weights[1] * x[at + area] + weights[2] * x[at + 2 * area];
    });
  const spread = (u: Float32Array) =>
    Float32Array.from({ length: 3 * u.length }, (_, i) => {
      const channel = Math.floor(i / area) % 3;
      return weights[channel] * u[area * Math.floor(i / (3 * area)) + (i % area)];
    });
  const operator: DegradationOperator = {
    task: "colorize",
    picture,
    measurement: { ...picture, channels: 1 },
    rank: area,
    singularValues: new Float32Array(area).fill(1),
    basis: { kind: "channel", weights },
    apply: gray,
    pseudoInverse: spread,
    toSpectrum: gray,
    fromSpectrum: spread,
  };
  return { name: `uneven gray ${height}x${width}`, operator };
}

/**
 * Sizes that vectors of four and lines of 256 numbers do not divide: odd widths, areas and rider counts, and the fewest
 * pixels.
 */
const unevenSamples: readonly RowSample[] = [
  sample({ task: "sr-average", scale: 2 }, 14, 6),
  sample({ task: "sr-average", scale: 3 }, 9, 15),
  sample({ task: "sr-average", scale: 3 }, 3, 3),
  sample({ task: "sr-average", scale: 4 }, 12, 20),
  sample({ task: "sr-average", scale: 5 }, 15, 65),
  sample({ task: "sr-bicubic", scale: 2 }, 18, 26),
  sample({ task: "sr-bicubic", scale: 3 }, 15, 21),
  sample({ task: "sr-bicubic", scale: 2 }, 16, 32),
  sample({ task: "inpaint" }, 17, 19),
  sample({ task: "inpaint" }, 7, 5, everything),
  sample({ task: "colorize" }, 17, 19),
  unevenGray(17, 19),
  unevenGray(1, 3),
  sample({ task: "deblur-gauss", blurForm: "exact" }, 13, 7),
  sample({ task: "deblur-uniform", blurForm: "deqir" }, 17, 19),
  sample({ task: "cs-hadamard", ratio: 0.5, permutationSeed: 1 }, 1, 2),
  sample({ task: "cs-hadamard", ratio: 1, permutationSeed: 1 }, 2, 4),
  sample({ task: "cs-hadamard", ratio: 0.25, permutationSeed: 2 }, 32, 16),
];

/** Pictures of which only samples are measured, for every kind of basis that is sampled. */
const largeSamples: readonly RowSample[] = [
  sample({ task: "sr-average", scale: 4 }, 168, 220),
  sample({ task: "sr-average", scale: 3 }, 93, 141),
  sample({ task: "inpaint" }, 127, 131),
  sample({ task: "inpaint" }, 128, 96, evenLines),
  sample({ task: "inpaint" }, 128, 96, oddLines),
  sample({ task: "inpaint" }, 128, 96, grid),
  sample({ task: "colorize" }, 127, 131),
  unevenGray(91, 93),
  sample({ task: "deblur-gauss", blurForm: "exact" }, 64, 128),
  sample({ task: "deblur-aniso", blurForm: "exact" }, 128, 64),
  sample({ task: "cs-hadamard", ratio: 0.5, permutationSeed: 1 }, 128, 64),
  sample({ task: "cs-hadamard", ratio: 0.1, permutationSeed: 1 }, 64, 128),
];

/** All of them. */
export const rowSamples: readonly RowSample[] = [
  ...taskSamples.map((task) => ({ name: task.name, operator: operatorOf(task) })),
  ...unevenSamples,
  ...largeSamples,
];
