/** The operators against values recorded from DeqIR's own code on a 64x64 photograph. */
import { describe, expect, it } from "vitest";
import { channelMajor, onGrid, recordedTensors } from "../../test/recorded-runs.js";
import { recoverSortOrder } from "../../test/recover-sort-order.js";
import { float32Tensor } from "../safetensors.js";
import { type BlurTask, blurTasks } from "./blur-kernels.js";
import { deqirBlurParts, stableOrder } from "./deqir-blur.js";
import { createOperator, type OperatorExtras, type TaskSettings } from "./task.js";

const recorded = recordedTensors("deqir-operators-64.safetensors");
const tensor = (name: string) => float32Tensor(recorded, name);
const x = tensor("x");
const picture = { channels: 3, height: 64, width: 64 };

const u8 = (name: string) => recorded.tensors.get(name)!.bytes;
const mask = { height: 64, width: 64, kept: u8("mask") };
const permutation = Uint32Array.from(new BigInt64Array(u8("perm").buffer), Number);

const norm = (a: Float32Array) => Math.sqrt(a.reduce((sum, v) => sum + v * v, 0));
const relativeError = (actual: Float32Array, expected: Float32Array) => {
  expect(actual.length).toBe(expected.length);
  return norm(actual.map((v, i) => v - expected[i]!)) / norm(expected);
};

interface Case {
  readonly name: string;
  readonly settings: TaskSettings;
  readonly extras?: OperatorExtras;
  readonly layout?: (y: Float32Array) => Float32Array;
}

const same = (y: Float32Array) => y;
const sensing = (ratio: number): Case => ({
  name: `cs_walshhadamard_${ratio}`,
  settings: { task: "cs-hadamard", ratio, permutationSeed: 0 },
  extras: { permutation },
  layout: channelMajor,
});

const cases: readonly Case[] = [
  { name: "sr_averagepooling_x2", settings: { task: "sr-average", scale: 2 } },
  { name: "sr_averagepooling_x4", settings: { task: "sr-average", scale: 4 } },
  { name: "sr_bicubic_x2", settings: { task: "sr-bicubic", scale: 2 } },
  { name: "sr_bicubic_x4", settings: { task: "sr-bicubic", scale: 4 } },
  {
    name: "inpainting",
    settings: { task: "inpaint" },
    extras: { mask },
    layout: (y) => onGrid(y, mask.kept),
  },
  { name: "colorization", settings: { task: "colorize" } },
  sensing(0.5),
  sensing(0.25),
];

/** Distinct singular values, ascending: what the record holds, at most its 64 largest. */
const distinct = (values: Float32Array) => [...new Set(values)].sort((a, b) => a - b);

describe.each(cases)("$name", ({ name, settings, extras, layout = same }) => {
  const operator = createOperator(settings, picture, extras);
  const y = layout(tensor(`${name}.y`));

  it("measures and inverts as the reference does", () => {
    expect(relativeError(operator.apply(x), y)).toBeLessThan(1e-5);
    expect(relativeError(operator.pseudoInverse(y), tensor(`${name}.pinv_y`))).toBeLessThan(1e-5);
  });

  it("has the reference's singular values", () => {
    const expected = tensor(`${name}.singulars`);
    const ours = distinct(operator.singularValues).slice(-64);
    expect(ours.length).toBe(expected.length);
    expect(Math.max(...ours.map((s, i) => Math.abs(s - expected[i]!)))).toBeLessThan(1e-6);
  });
});

const recordedNames: Record<BlurTask, string> = {
  "deblur-gauss": "deblur_gauss",
  "deblur-uniform": "deblur_uni",
  "deblur-aniso": "deblur_aniso",
};

describe.each(blurTasks)("%s in the reference's form", (task) => {
  const name = recordedNames[task];
  const y = tensor(`${name}.y`);
  const pinvY = tensor(`${name}.pinv_y`);
  const parts = deqirBlurParts(picture, task);
  const sortOrder = recoverSortOrder(parts, { x, y, pinvY });
  const settings = { task, blurForm: "deqir" } as const;
  const operator = createOperator(settings, picture, { sortOrder });

  it("has the reference's 64 largest singular values", () => {
    const ours = distinct(parts.products).slice(-64);
    const errors = ours.map((s, i) => Math.abs(s - tensor(`${name}.singulars`)[i]!));
    expect(errors.length).toBe(64);
    expect(Math.max(...errors)).toBeLessThan(1e-6);
  });

  it("measures and inverts as the reference does, its order of equal singular values given", () => {
    const products = (order: Uint32Array) => Float32Array.from(order, (k) => parts.products[k]!);
    expect(products(sortOrder)).toEqual(products(stableOrder(parts.products)));
    expect(relativeError(operator.apply(x), y)).toBeLessThan(1e-5);
    expect(relativeError(operator.pseudoInverse(y), pinvY)).toBeLessThan(1e-4);
  });

  it("differs from the record by the order of ties alone, and not by much", () => {
    const stable = createOperator(settings, picture);
    const error = relativeError(stable.apply(x), y);
    expect(error).toBeGreaterThan(1e-4);
    expect(error).toBeLessThan(1e-2);
  });
});

it("a sort order recovered from one record explains another picture's", () => {
  const runs = recordedTensors("deqir-runs-64.safetensors");
  const record = { x, y: tensor("deblur_gauss.y"), pinvY: tensor("deblur_gauss.pinv_y") };
  const sortOrder = recoverSortOrder(deqirBlurParts(picture, "deblur-gauss"), record);
  const operator = createOperator({ task: "deblur-gauss", blurForm: "deqir" }, picture, { sortOrder });
  const other = float32Tensor(runs, "x");
  expect(relativeError(other, x)).toBeGreaterThan(0.5);
  expect(relativeError(operator.apply(other), float32Tensor(runs, "T10.deblur_gauss.y"))).toBeLessThan(1e-5);
});
