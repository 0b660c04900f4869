import { describe, expect, it } from "vitest";
import { InputError } from "../errors.js";
import { seededPermutation } from "./seeded-permutation.js";
import { canvasMultiple, createOperator, taskNames, taskSchema } from "./task.js";

const size = { height: 8, width: 8 };
const create = (settings: unknown, ...rest: [{ height: number; width: number }?, object?]) =>
  createOperator(taskSchema.parse(settings), rest[0] ?? size, rest[1]);
const mask = (height: number, width: number, value: number, length = height * width) => ({
  mask: { height, width, kept: new Uint8Array(length).fill(value) },
});

describe("taskSchema", () => {
  it("fills in the defaults", () => {
    expect(taskSchema.parse({ task: "sr-average" })).toEqual({ task: "sr-average", scale: 4 });
    expect(taskSchema.parse({ task: "sr-bicubic" })).toEqual({ task: "sr-bicubic", scale: 4 });
    expect(taskSchema.parse({ task: "deblur-aniso" })).toEqual({ task: "deblur-aniso", blurForm: "exact" });
    expect(taskSchema.parse({ task: "cs-hadamard" })).toEqual({
      task: "cs-hadamard",
      ratio: 0.5,
      permutationSeed: 0,
    });
  });

  it.each([
    { task: "sharpen" },
    { task: "sr-average", scale: 1 },
    { task: "sr-bicubic", scale: 2.5 },
    { task: "colorize", scale: 2 },
    { task: "deblur-gauss", blurForm: "fast" },
    { task: "cs-hadamard", ratio: 0 },
    { task: "cs-hadamard", ratio: 1.1 },
    { task: "cs-hadamard", permutationSeed: -1 },
  ])("refuses %j", (settings) => {
    expect(taskSchema.safeParse(settings).success).toBe(false);
  });

  it("knows every listed task, and the operator carries its name", () => {
    for (const task of taskNames) expect(create({ task }, size, mask(8, 8, 1)).task).toBe(task);
  });
});

describe("canvasMultiple", () => {
  it("is the scale for super-resolution and 1 elsewhere", () => {
    const multiples = taskNames.map((task) => canvasMultiple(taskSchema.parse({ task })));
    expect(multiples).toEqual([4, 4, 1, 1, 1, 1, 1, 1]);
    expect(canvasMultiple(taskSchema.parse({ task: "sr-bicubic", scale: 3 }))).toBe(3);
  });
});

describe("createOperator refuses", () => {
  const refused = (message: RegExp, ...given: Parameters<typeof create>) => {
    expect(() => create(...given)).toThrow(InputError);
    expect(() => create(...given)).toThrow(message);
  };

  it("a scale that does not divide the size", () => {
    refused(/scale 3 does not divide the picture size 8x8/, { task: "sr-average", scale: 3 });
    refused(/scale 4 does not divide the picture size 8x6/, { task: "sr-bicubic" }, { height: 8, width: 6 });
  });

  it("a size that is no size", () => {
    refused(/0x8/, { task: "colorize" }, { height: 0, width: 8 });
    refused(/2\.5x8/, { task: "colorize" }, { height: 2.5, width: 8 });
  });

  it("a mask that is missing, of another size, cut short, or empty", () => {
    refused(/no mask/, { task: "inpaint" });
    refused(/the mask is 8x4 \(HxW\), the picture 8x8/, { task: "inpaint" }, size, mask(8, 4, 1));
    refused(/the mask has 60 values, but 8x8 needs 64/, { task: "inpaint" }, size, mask(8, 8, 1, 60));
    refused(/the mask keeps no pixel/, { task: "inpaint" }, size, mask(8, 8, 0));
  });

  it("a picture or ratio that compressed sensing cannot take", () => {
    refused(/powers of two, the picture is 8x12/, { task: "cs-hadamard" }, { height: 8, width: 12 });
    refused(/less than one measurement/, { task: "cs-hadamard", ratio: 0.01 });
  });

  it("a permutation that names a coordinate twice, out of range, or not at all", () => {
    for (const wrong of [
      Uint32Array.from({ length: 64 }, (_, i) => Math.min(i, 62)),
      Uint32Array.from({ length: 64 }, (_, i) => i + 1),
      seededPermutation(32, 0),
    ]) {
      refused(/no permutation of 0 .. 63/, { task: "cs-hadamard" }, size, { permutation: wrong });
    }
  });

  it("a sort order that does not sort", () => {
    const settings = { task: "deblur-gauss", blurForm: "deqir" };
    refused(/no permutation of 0 .. 63/, settings, size, { sortOrder: new Uint32Array(64) });
    refused(/does not sort the singular values/, settings, size, {
      sortOrder: Uint32Array.from({ length: 64 }, (_, i) => 63 - i),
    });
  });
});

describe("an operator refuses", () => {
  it("values that do not fill the batch, and batches that are none", () => {
    const operator = create({ task: "colorize" });
    expect(() => operator.apply(new Float32Array(191))).toThrow(/x has 191 values, .* 1 x 192 = 192/);
    expect(() => operator.pseudoInverse(new Float32Array(64), 2)).toThrow(/y has 64 values, .* 2 x 64 = 128/);
    expect(() => operator.toSpectrum(new Float32Array(0), 0)).toThrow(InputError);
  });
});
