/** Every graph of a state space, held to the plain reference, for every task. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { norm, relativeDistance, seededValues } from "../../test/seeded-values.js";
import { operatorOf, type TaskSample, taskSamples } from "../../test/task-samples.js";
import type { Array32 } from "../onnx/session.js";
import type { PictureSize, TaskSettings } from "../operators/task.js";
import { partSamples } from "./sampling.js";
import { loadStateKernels, type StateKernels } from "./state-kernels.js";
import * as reference from "./state-reference.js";
import { type Part, parts, riderSize, spectralBasis, stateSize } from "./state-space.js";

/** Float32 sums of some hundred terms. */
const close = 3e-6;

type Pattern = (line: number, column: number) => boolean;
const evenLines: Pattern = (line) => line % 2 === 0;
const oddLines: Pattern = (line) => line % 2 === 1;
const grid: Pattern = (line, column) => line % 2 === 0 && column % 2 === 0;

function large(settings: TaskSettings, height: number, width: number, keeps?: Pattern): TaskSample {
  const draws = seededValues(height * width, 7);
  const kept = draws.map((v, i) => Number(keeps ? keeps(Math.floor(i / width), i % width) : v < 0.3));
  const mask = settings.task === "inpaint" ? { height, width, kept: Uint8Array.from(kept) } : undefined;
  const pattern = keeps ? ` ${keeps.name}` : "";
  return { name: `${settings.task} ${height}x${width}${pattern}`, settings, size: { height, width }, mask };
}

/** Pictures of which only samples are measured, for every kind of basis that is sampled. */
const largeSamples: readonly TaskSample[] = [
  large({ task: "sr-average", scale: 4 }, 168, 220),
  large({ task: "inpaint" }, 127, 131),
  large({ task: "inpaint" }, 128, 96, evenLines),
  large({ task: "inpaint" }, 128, 96, oddLines),
  large({ task: "inpaint" }, 128, 96, grid),
  large({ task: "colorize" }, 127, 131),
];

/** Pictures [rows, 3, H, W] whose planes are a constant and a slow wave. */
function smoothPictures(rows: number, { height, width }: PictureSize, seed: number): Float32Array {
  const area = height * width;
  const waves = Array.from({ length: 3 * rows }, (_, plane) => seededValues(5, seed + plane));
  return Float32Array.from({ length: 3 * rows * area }, (_, i) => {
    const [mean, swing, phase, down, across] = waves[Math.floor(i / area)];
    const turns = (down * Math.floor((i % area) / width)) / height + (across * (i % width)) / width;
    return mean + swing * Math.cos(Math.PI * (4 * turns + phase));
  });
}

describe.each([...taskSamples, ...largeSamples])("$name", (sample) => {
  const operator = operatorOf(sample);
  const { height, width } = sample.size;
  const size = stateSize(operator);
  const riderCount = riderSize(operator);
  const measured = partSamples(operator);
  let kernels: StateKernels;
  beforeAll(async () => {
    kernels = await loadStateKernels(operator, { threads: 1 });
  });
  afterAll(() => kernels.release());

  const array = (values: Float32Array, ...dims: number[]): Array32 => ({ values, dims });
  const empty = (...dims: number[]) => array(new Float32Array(dims.reduce((a, b) => a * b)), ...dims);
  const rowsOf = (values: Float32Array) => array(values, values.length / size, size);
  const picturesOf = (values: Float32Array) => array(values, values.length / size, 3, height, width);
  const near = (found: Float32Array, expected: Float32Array, scale: number, what: string) => {
    expect(found.length, what).toBe(expected.length);
    const distance = norm(found.map((v, i) => v - expected[i]));
    expect(distance, what).toBeLessThanOrEqual(close * scale);
  };
  const states = (rows: number, seed: number) => seededValues(rows * size, seed);
  const randomMatrices = (m: number, k: number, seed: number): reference.OnParts => ({
    range: seededValues(m * k, seed),
    null: seededValues(m * k, seed + 1),
  });

  const runToState = async (x: Float32Array) => {
    if (!kernels.toState) return x;
    const state = empty(x.length / size, size);
    await kernels.toState.run({ x: picturesOf(x) }, { state });
    return state.values;
  };
  const runToPicture = async (state: Float32Array) => {
    if (!kernels.toPicture) return state;
    const x = empty(state.length / size, 3, height, width);
    await kernels.toPicture.run({ state: rowsOf(state) }, { x });
    return x.values;
  };
  /** Rows and their riders, named as the kernels name them. */
  const rowInputs = async (rows: Float32Array): Promise<Record<string, Array32>> => {
    const count = rows.length / size;
    if (!kernels.riders) return { rows: rowsOf(rows) };
    const riders = empty(count, riderCount);
    await kernels.riders.run({ state: rowsOf(rows) }, { riders });
    return { rows: rowsOf(rows), riders };
  };
  const runCombine = async ({ range, null: onNull }: reference.OnParts, rows: Float32Array) => {
    const k = rows.length / size;
    const m = range.length / k;
    const out = empty(m, size);
    const difference = range.map((r, i) => r - onNull[i]);
    const matrices = { null: array(onNull, m, k), rangeMinusNull: array(difference, m, k) };
    await kernels.combine.run({ ...(await rowInputs(rows)), ...matrices }, { out });
    return out.values;
  };
  const runProject = (rows: Float32Array) => {
    const k = rows.length / size;
    const unit = new Float32Array(k * k).map((_, i) => (i % (k + 1) === 0 ? 1 : 0));
    return runCombine({ range: unit, null: new Float32Array(k * k) }, rows);
  };

  it("has the graphs its basis needs: V, or riders, or neither", () => {
    expect(kernels.toState !== undefined).toBe(spectralBasis(operator) !== undefined);
    expect(kernels.toPicture !== undefined).toBe(spectralBasis(operator) !== undefined);
    expect(kernels.riders !== undefined).toBe(riderCount > 0);
    expect(riderCount > 0 && spectralBasis(operator) !== undefined).toBe(false);
  });

  it.each([1, 2, 5])("toState and toPicture, %i rows", async (rows) => {
    const x = states(rows, 1);
    const state = await runToState(x);
    near(state, reference.toState(operator, x), norm(x), "state");
    near(await runToPicture(state), x, norm(x), "toPicture(toState(x))");
    const other = states(rows, 2);
    near(await runToPicture(other), reference.toPicture(operator, other), norm(other), "picture");
    near(await runToState(await runToPicture(other)), other, norm(other), "toState(toPicture(z))");
  });

  it.each([1, 2, 5])("riders, %i rows", async (rows) => {
    if (riderCount === 0) return expect(kernels.riders).toBeUndefined();
    const z = states(rows, 3);
    near((await rowInputs(z)).riders.values, reference.riders(operator, z), norm(z), "riders");
  });

  it.each([
    [1, 1],
    [1, 4],
    [2, 5],
    [5, 3],
  ])("combine makes %i states of %i rows", async (m, k) => {
    const rows = states(k, 4);
    const coefficients = randomMatrices(m, k, 5);
    const expected = reference.combine(operator, coefficients, rows);
    const scale = norm(rows) * (norm(coefficients.range) + norm(coefficients.null));
    near(await runCombine(coefficients, rows), expected, scale, "combine");
  });

  it.each([
    [1, 1],
    [2, 5],
    [5, 3],
  ])("combine with N = R makes the plain %ix%i combination, as mix does", async (m, k) => {
    const rows = states(k, 6);
    const both = seededValues(m * k, 7);
    const expected = reference.product(both, rows, k);
    const scale = norm(rows) * norm(both);
    near(await runCombine({ range: both, null: both }, rows), expected, scale, "combine");
    const out = empty(m, size);
    await kernels.mix.run({ coefficients: array(both, m, k), rows: rowsOf(rows) }, { out });
    near(out.values, expected, scale, "mix");
  });

  it.each([1, 2, 5])("rowDots, %i rows", async (rows) => {
    const [a, b] = [states(rows, 8), states(rows, 9)];
    const dots = empty(rows);
    await kernels.rowDots.run({ a: rowsOf(a), b: rowsOf(b) }, { dots });
    near(dots.values, reference.rowDots(a, b, size), norm(a) * norm(b), "dots");
  });

  it("combine with R = 1, N = 0 is the operator's projection: idempotent, and all that A sees", async () => {
    const z = states(3, 10);
    const inRange = await runProject(z);
    near(inRange, reference.project(operator, z), norm(z), "P z");
    near(await runProject(inRange), inRange, norm(z), "P P z");
    const rest = z.map((v, i) => v - inRange[i]);
    // The operator rounds too, and has singular values of about 1 at most.
    expect(norm(operator.apply(await runToPicture(rest), 3))).toBeLessThan(1e-5 * norm(z));
    const inverse = operator.pseudoInverse(operator.apply(seededValues(size, 11)));
    const state = await runToState(inverse);
    expect(relativeDistance(await runProject(state), state)).toBeLessThan(1e-5);
  });

  it("states keep lengths and angles of pictures, and parts are orthogonal", async () => {
    const property = async (seed: number, rows: number) => {
      const [x, y] = [states(rows, seed), states(rows, seed + 1)];
      const [a, b] = [await runToState(x), await runToState(y)];
      const scale = norm(x) * norm(y);
      near(reference.rowDots(a, b, size), reference.rowDots(x, y, size), scale, "<a, b>");
      near(reference.rowDots(a, a, size), reference.rowDots(x, x, size), norm(x) ** 2, "<a, a>");
      const inRange = await runProject(a);
      const rest = a.map((v, i) => v - inRange[i]);
      near(reference.rowDots(inRange, rest, size), new Float32Array(rows), norm(x) ** 2, "<P a, a - P a>");
    };
    await fc.assert(fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 4 }), property), {
      numRuns: height * width > 4096 ? 3 : 15,
    });
  });

  const named = (quantity: string, coefficients: reference.OnParts, k: number) =>
    Object.fromEntries(
      parts.map((part) => [
        `${quantity}.${part}`,
        array(coefficients[part], coefficients[part].length / k, k),
      ]),
    );
  const outputs = (name: string, n: number, sizes?: Record<Part, number>) =>
    Object.fromEntries(
      parts.map((part) => [`${name}.${part}`, sizes ? empty(n, sizes[part]) : empty(n)]),
    ) as Record<string, Array32>;
  const nearOnParts = (
    found: Record<string, Array32>,
    name: string,
    on: reference.OnParts,
    scale: number,
  ) => {
    for (const part of parts) near(found[`${name}.${part}`].values, on[part], scale, `${name}.${part}`);
  };

  // The plain reference takes its time over large pictures.
  it.each(size > 12288 ? [2] : [1, 2, 5])("residuals and secants of %i combinations", async (n) => {
    const k = 6 - n;
    const [rows, rowsBefore] = [states(k, 12), states(k, 13)];
    const quantities = {
      residual: randomMatrices(n, k, 14),
      made: randomMatrices(n, k, 16),
      state: randomMatrices(n, k, 18),
    };
    const sizes = { range: measured.range.size, null: measured.null.size };
    const now = {
      made: reference.samplesOf(operator, quantities.made, rows),
      state: reference.samplesOf(operator, quantities.state, rows),
    };
    const before = {
      made: reference.samplesOf(operator, quantities.state, rowsBefore),
      state: reference.samplesOf(operator, quantities.made, rowsBefore),
    };
    for (const part of parts) expect(now.made[part].length).toBe(n * sizes[part]);
    const found = {
      ...outputs("squares", n),
      ...outputs("dzdz", n),
      ...outputs("dzdf", n),
      ...outputs("sample.made", n, sizes),
      ...outputs("sample.state", n, sizes),
    };
    const previous = Object.fromEntries(
      parts.flatMap((part) => [
        [`previous.made.${part}`, array(before.made[part], n, sizes[part])],
        [`previous.state.${part}`, array(before.state[part], n, sizes[part])],
      ]),
    );
    const residualInputs = { ...(await rowInputs(rows)), ...named("residual", quantities.residual, k) };
    await kernels.secants.run(
      {
        ...residualInputs,
        ...named("made", quantities.made, k),
        ...named("state", quantities.state, k),
        ...previous,
      },
      found,
    );
    const scale = norm(rows) * Math.sqrt(n * k);
    nearOnParts(found, "sample.made", now.made, scale);
    nearOnParts(found, "sample.state", now.state, scale);
    const products = reference.secantProducts(now, before, n);
    nearOnParts(found, "dzdz", products.dzdz, scale ** 2);
    nearOnParts(found, "dzdf", products.dzdf, scale ** 2);
    const squares = reference.squares(reference.samplesOf(operator, quantities.residual, rows), n);
    nearOnParts(found, "squares", squares, scale ** 2);
    const alone = outputs("squares", n);
    await kernels.residuals.run(residualInputs, alone);
    nearOnParts(alone, "squares", squares, scale ** 2);
  });

  it.each(["random", "smooth"])("sampled squares, times factors, stand for %s states", async (kind) => {
    const n = 3;
    const pictures = kind === "random" ? seededValues(n * size, 20) : smoothPictures(n, sample.size, 20);
    const rows = await runToState(pictures);
    const unit = new Float32Array(n * n).map((_, i) => (i % (n + 1) === 0 ? 1 : 0));
    const found = outputs("squares", n);
    const inputs = { ...(await rowInputs(rows)), ...named("residual", { range: unit, null: unit }, n) };
    await kernels.residuals.run(inputs, found);
    const whole = reference.partSquares(operator, rows);
    // A mean over 6144 samples is 1 to 4 % off.
    const tolerance = measured.null.positions ? 0.1 : 1e-5;
    for (let row = 0; row < n; row++) {
      const length = whole.range[row] + whole.null[row];
      const estimates = parts.map((part) => measured[part].factor * found[`squares.${part}`].values[row]);
      for (const [i, part] of parts.entries()) {
        const error = Math.abs(estimates[i] - whole[part][row]);
        // A part may vanish up to rounding.
        expect(error, part).toBeLessThanOrEqual(tolerance * whole[part][row] + 1e-5 * length);
      }
      expect(Math.abs(estimates[0] + estimates[1] - length)).toBeLessThanOrEqual(tolerance * length);
    }
  });
});
