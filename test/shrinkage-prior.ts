/**
 * A prior that needs no training: a nonlinear denoiser in closed form, as an ONNX model that costs a few milliseconds.
 *
 * D(x, s) denoises a picture with white noise of deviation s: 8 x 8 blocks go through the orthonormal cosine transform,
 * coefficients are moved towards 0 by 3 s at most (soft thresholding: Donoho & Johnstone, "Ideal spatial adaptation by
 * wavelet shrinkage", Biometrika 81, 1994; sqrt(2 ln 64) is 2.9), the blocks' means by Wiener's factor v / (v + s^2).
 * The noise estimate follows from it as from any denoiser: eps = (x - sqrt(abar) D(x / sqrt(abar), s)) / sigma with
 * sigma = sqrt(1 - abar) and s = sigma / sqrt(abar).
 */
import { noiseSchedule, trainingTimesteps } from "../shared/diffusion/noise-schedule.js";
import { GraphBuilder } from "../shared/onnx/graph-builder.js";

/** Pixels of a block's side. */
const side = 8;
/** Thresholds in units of the noise. */
const threshold = 3;
/** Variance of a block's mean coefficient: `side` times a mean of deviation 1/2. */
const meanVariance = (side / 2) ** 2;

/** Rows are basis pictures: [side^2, side, side], orthonormal, the mean first. */
function cosineBasis(): Float32Array {
  const wave = (k: number, i: number) =>
    Math.sqrt((k === 0 ? 1 : 2) / side) * Math.cos((Math.PI * k * (2 * i + 1)) / (2 * side));
  return Float32Array.from({ length: side ** 4 }, (_, at) => {
    const [u, v] = [Math.floor(at / side ** 3), Math.floor(at / side ** 2) % side];
    const [i, j] = [Math.floor(at / side) % side, at % side];
    return wave(u, i) * wave(v, j);
  });
}

/** ONNX's code for int64. */
const int64 = 7;

/** The encoded model: x [N, 3, H, W], t [N] -> eps [N, 3, H, W]; H and W multiples of 8. */
export function shrinkagePrior(): Uint8Array {
  const g = new GraphBuilder("shrinkage-prior");
  const x = g.input("x", ["N", 3, "H", "W"]);
  const t = g.input("t", ["N"]);
  // Step i of a chain with one step per training timestep runs at timestep 999 - i.
  const abar = noiseSchedule({ steps: trainingTimesteps, start: trainingTimesteps, spacing: "uniform" })
    .signal.slice(0, trainingTimesteps)
    .reverse();
  const timestep = g.node("Cast", [t], { to: int64 });
  const atTimestep = (values: Float64Array) => {
    const table = g.constant(Float32Array.from(values), [trainingTimesteps]);
    return g.reshape(g.node("Gather", [table, timestep]), [-1, 1, 1, 1]);
  };
  const rootSignal = atTimestep(abar.map(Math.sqrt));
  const sigma = atTimestep(abar.map((a) => Math.sqrt(1 - a)));
  const noise = atTimestep(abar.map((a) => Math.sqrt(1 / a - 1)));
  const meanFactor = atTimestep(abar.map((a) => meanVariance / (meanVariance + 1 / a - 1)));

  const basis = cosineBasis();
  const count = side ** 2;
  const channels = 3 * count;
  const perChannel = Float32Array.from({ length: 3 * basis.length }, (_, i) => basis[i % basis.length]);
  const filters = g.constant(perChannel, [channels, 1, side, side]);
  const blocks = { group: 3, strides: [side, side], kernel_shape: [side, side] };
  const isMean = Float32Array.from({ length: channels }, (_, c) => (c % count === 0 ? 1 : 0));
  const mean = g.constant(isMean, [1, channels, 1, 1]);
  const rest = g.constant(
    isMean.map((m) => threshold * (1 - m)),
    [1, channels, 1, 1],
  );

  const coefficients = g.node("Conv", [g.node("Div", [x, rootSignal]), filters], blocks);
  const limit = g.node("Mul", [rest, noise]);
  // Soft thresholding: c - limit above the limit, c + limit below -limit, 0 between.
  const above = g.node("Relu", [g.node("Sub", [coefficients, limit])]);
  const below = g.node("Relu", [g.node("Neg", [g.node("Add", [coefficients, limit])])]);
  const shrunk = g.node("Sub", [above, below]);
  // 1 + mean (factor - 1): Wiener's factor for the mean, 1 for all others.
  const one = g.constant(Float32Array.of(1), [1]);
  const factor = g.node("Add", [g.node("Mul", [mean, g.node("Sub", [meanFactor, one])]), one]);
  const denoised = g.node("ConvTranspose", [g.node("Mul", [shrunk, factor]), filters], blocks);
  const eps = g.node("Div", [g.node("Sub", [x, g.node("Mul", [denoised, rootSignal])]), sigma]);
  g.output("eps", eps, ["N", 3, "H", "W"]);
  return g.build();
}
