/** What every operator owes its interface, over random tasks, sizes and batches. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { blurTasks } from "./blur-kernels.js";
import type { DegradationOperator, RangeBasis } from "./operator.js";
import { createOperator, type OperatorExtras, type PictureSize, type TaskSettings } from "./task.js";

interface Sample {
  readonly settings: TaskSettings;
  readonly size: PictureSize;
  readonly extras: OperatorExtras;
}

const side = fc.integer({ min: 1, max: 14 });
const anySize = fc.record({ height: side, width: side });
const powerOfTwo = fc.integer({ min: 0, max: 4 }).map((k) => 2 ** k);

const superResolution = (task: "sr-average" | "sr-bicubic"): fc.Arbitrary<Sample> =>
  fc
    .tuple(fc.integer({ min: 2, max: 5 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }))
    .map(([scale, rows, columns]) => ({
      settings: { task, scale },
      size: { height: rows * scale, width: columns * scale },
      extras: {},
    }));

const inpainting: fc.Arbitrary<Sample> = anySize.chain((size) =>
  fc
    .uint8Array({ minLength: size.height * size.width, maxLength: size.height * size.width, max: 2 })
    .filter((kept) => kept.some((k) => k !== 0))
    .map((kept) => ({ settings: { task: "inpaint" }, size, extras: { mask: { ...size, kept } } })),
);

const deblurring: fc.Arbitrary<Sample> = fc
  .tuple(fc.constantFrom(...blurTasks), fc.constantFrom("exact" as const, "deqir" as const), anySize)
  .map(([task, blurForm, size]) => ({ settings: { task, blurForm }, size, extras: {} }));

const sensing: fc.Arbitrary<Sample> = fc
  .record({
    size: fc.record({ height: powerOfTwo, width: powerOfTwo }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    permutationSeed: fc.integer({ min: 0, max: 0xffff_ffff }),
  })
  .map(({ size, share, permutationSeed }) => ({
    settings: {
      task: "cs-hadamard",
      ratio: Math.max(share, 1 / (size.height * size.width)),
      permutationSeed,
    },
    size,
    extras: {},
  }));

const samples: Record<string, fc.Arbitrary<Sample>> = {
  "sr-average": superResolution("sr-average"),
  "sr-bicubic": superResolution("sr-bicubic"),
  inpaint: inpainting,
  colorize: anySize.map((size) => ({ settings: { task: "colorize" }, size, extras: {} })),
  deblurring,
  "cs-hadamard": sensing,
};

/** n values in [-1, 1], another set for every seed. */
function noise(n: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
const norm = (a: Float32Array) => Math.sqrt(dot(a, a));
const distance = (a: Float32Array, b: Float32Array) => {
  expect(a.length).toBe(b.length);
  return norm(a.map((v, i) => v - b[i]!));
};

/** Float32 rounding of results of size `magnitude`. */
const rounding = (magnitude: number) => 2e-6 * magnitude + 1e-12;

/** V^T x computed from the basis data alone, on the grid of the basis: what a graph computes. */
function basisGrid(basis: RangeBasis, x: Float32Array, { height, width }: PictureSize): number[] {
  const at = (c: number, i: number, j: number) => x[(c * height + i) * width + j]!;
  const grid = (
    channels: number,
    rows: number,
    columns: number,
    value: (c: number, i: number, j: number) => number,
  ) =>
    Array.from({ length: channels * rows * columns }, (_, p) =>
      value(Math.floor(p / (rows * columns)), Math.floor(p / columns) % rows, p % columns),
    );
  const sum = (n: number, term: (k: number) => number) => {
    let total = 0;
    for (let k = 0; k < n; k++) total += term(k);
    return total;
  };
  switch (basis.kind) {
    case "block-mean": {
      const s = basis.scale;
      return grid(3, height / s, width / s, (c, i, j) =>
        sum(s * s, (k) => at(c, i * s + Math.floor(k / s), j * s + (k % s)) / s),
      );
    }
    case "channel":
      return grid(1, height, width, (_, i, j) => sum(3, (c) => basis.weights[c]! * at(c, i, j)));
    case "pixel-mask":
      return grid(3, height, width, at);
    case "separable": {
      const { left, right, rows, columns } = basis;
      return grid(3, rows, columns, (c, i, j) =>
        sum(height, (k) => left[i * height + k]! * sum(width, (l) => at(c, k, l) * right[j * width + l]!)),
      );
    }
  }
}

/** The coordinates of the grid that belong to the range, in grid order. */
function keptOf(basis: RangeBasis, grid: number[]): Float32Array {
  if (basis.kind === "pixel-mask") {
    return Float32Array.from(grid.filter((_, p) => basis.kept[p % basis.kept.length] === 1));
  }
  const kept = basis.kind === "separable" ? basis.kept : undefined;
  expect(kept?.length ?? grid.length).toBe(grid.length);
  return Float32Array.from(grid.filter((_, p) => kept === undefined || kept[p] === 1));
}

describe.each(Object.entries(samples))("%s", (_name, arbitrary) => {
  const holds = (law: (operator: DegradationOperator, x: Float32Array, seed: number) => void) =>
    fc.assert(
      fc.property(arbitrary, fc.integer({ min: 0, max: 0xffff_ffff }), ({ settings, size, extras }, seed) => {
        const operator = createOperator(settings, size, extras);
        law(operator, noise(3 * size.height * size.width, seed), seed);
      }),
      { numRuns: 60 },
    );
  const measurementSize = ({ measurement: m }: DegradationOperator) => m.channels * m.height * m.width;

  it("A A^+ A x = A x, and A^+ A A^+ y = A^+ y", () => {
    holds((operator, x, seed) => {
      const y = operator.apply(x);
      expect(y.length).toBe(measurementSize(operator));
      const back = operator.pseudoInverse(y);
      expect(distance(operator.apply(back), y)).toBeLessThan(rounding(norm(back)));
      const anyY = noise(y.length, seed + 1);
      const inverse = operator.pseudoInverse(anyY);
      const again = operator.pseudoInverse(operator.apply(inverse));
      expect(distance(again, inverse)).toBeLessThan(
        rounding(norm(inverse) / Math.min(...operator.singularValues)),
      );
    });
  });

  it("V^T V = I, and V is the adjoint of V^T", () => {
    holds((operator, x, seed) => {
      const u = noise(operator.rank, seed + 1);
      const Vu = operator.fromSpectrum(u);
      expect(distance(operator.toSpectrum(Vu), u)).toBeLessThan(rounding(norm(u)));
      expect(Math.abs(dot(operator.toSpectrum(x), u) - dot(x, Vu))).toBeLessThan(rounding(norm(x) * norm(u)));
    });
  });

  it("A^+ A = V V^T", () => {
    holds((operator, x) => {
      const inverse = operator.pseudoInverse(operator.apply(x));
      const projection = operator.fromSpectrum(operator.toSpectrum(x));
      expect(distance(inverse, projection)).toBeLessThan(
        rounding(norm(x) / Math.min(...operator.singularValues)),
      );
    });
  });

  it("the singular values are positive, one a coordinate: |A V u| = |s u|", () => {
    holds((operator, _x, seed) => {
      expect(operator.rank).toBeGreaterThan(0);
      expect(operator.singularValues.length).toBe(operator.rank);
      expect(Math.min(...operator.singularValues)).toBeGreaterThan(0);
      const coordinate = seed % operator.rank;
      const unit = new Float32Array(operator.rank);
      unit[coordinate] = 1;
      const length = norm(operator.apply(operator.fromSpectrum(unit)));
      expect(Math.abs(length - operator.singularValues[coordinate]!)).toBeLessThan(rounding(1));
    });
  });

  it("the basis data computes the same range coordinates", () => {
    holds((operator, x) => {
      const fromBasis = keptOf(operator.basis, basisGrid(operator.basis, x, operator.picture));
      expect(distance(fromBasis, operator.toSpectrum(x))).toBeLessThan(rounding(norm(x)));
    });
  });

  it("a batch is its pictures one by one", () => {
    holds((operator, x, seed) => {
      const batch = 1 + (seed % 3);
      const pictures = noise(batch * x.length, seed);
      const y = operator.apply(pictures, batch);
      const u = operator.toSpectrum(pictures, batch);
      const back = operator.pseudoInverse(y, batch);
      const projected = operator.fromSpectrum(u, batch);
      for (let b = 0; b < batch; b++) {
        const part = (values: Float32Array) => {
          const length = values.length / batch;
          return values.slice(b * length, (b + 1) * length);
        };
        expect(part(y)).toEqual(operator.apply(part(pictures)));
        expect(part(u)).toEqual(operator.toSpectrum(part(pictures)));
        expect(part(back)).toEqual(operator.pseudoInverse(part(y)));
        expect(part(projected)).toEqual(operator.fromSpectrum(part(u)));
      }
    });
  });
});
