/**
 * What calls of a network cost on a device, by batch and size, and how far its numbers are from the processor's.
 *
 *   npm run build && npm run bench:device -- --device cuda:0 [--model FILE.onnx --sizes 64,256 --batches 1,2,4,8 --calls 7 --cost FOLDER]
 *
 * *First* is the first call of a shape, in which a GPU's libraries choose their algorithms; the others are the median and the slowest of the
 * calls behind it. With `--cost` the medians are written as `FOLDER/SIZE.json`, which `deqfleet bench fleet --simulate --cost` reads.
 * Timesteps and states are those of a chain: noise of variance one.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as ort from "onnxruntime-node";
import { devicesSchema } from "../shared/config/device-options.js";
import { normalDeviates } from "../shared/diffusion/addressable-noise.js";
import { sessionOptions } from "../shared/onnx/session.js";
import { packageRoot } from "../shared/package-root.js";
import { chosenNumbers } from "./choices.js";
import { machineLine } from "./machine.js";
import { median, table } from "./table.js";

const { values: flags } = parseArgs({
  options: {
    device: { type: "string", default: "cpu" },
    model: { type: "string", default: fileURLToPath(new URL("models/prior.onnx", packageRoot)) },
    sizes: { type: "string", default: "64,128,256" },
    batches: { type: "string", default: "1,2,4,8" },
    calls: { type: "string", default: "7" },
    /** 0: the processor is not asked. */
    compared: { type: "string", default: "1" },
    cost: { type: "string" },
  },
});

const [device] = devicesSchema.parse(flags.device);
const sizes = chosenNumbers("--sizes", flags.sizes);
const batches = chosenNumbers("--batches", flags.batches);
const [calls, threads] = [Number(flags.calls), availableParallelism()];

/** States [n, 3, side, side] of noise, and their timesteps, spread over the chain. */
function inputsOf(states: Float32Array, side: number, batch: number): Record<string, ort.Tensor> {
  const t = Float32Array.from({ length: batch }, (_, i) => 999 - Math.floor((i * 999) / batch));
  return {
    x: new ort.Tensor("float32", states.subarray(0, batch * 3 * side * side), [batch, 3, side, side]),
    t: new ort.Tensor("float32", t, [batch]),
  };
}

const noise = (side: number, batch: number): Float32Array =>
  normalDeviates({ seed: 0, pictureId: "device", stream: 0 }, batch * 3 * side * side);

/** Root mean square and largest difference, relative to the root mean square of `right`. */
function distance(left: Float32Array, right: Float32Array): { rms: number; largest: number } {
  let [squares, differences, largest] = [0, 0, 0];
  for (const [i, value] of right.entries()) {
    const difference = left[i] - value;
    squares += value * value;
    differences += difference * difference;
    largest = Math.max(largest, Math.abs(difference));
  }
  return { rms: Math.sqrt(differences / squares), largest: largest / Math.sqrt(squares / right.length) };
}

console.log(`${machineLine()}; ${device}, ${flags.model}`);
const loading = performance.now();
const session = await ort.InferenceSession.create(flags.model, sessionOptions({ device, threads }));
console.log(`loaded in ${((performance.now() - loading) / 1000).toFixed(1)} s`);

if (flags.compared !== "0") {
  const processor = await ort.InferenceSession.create(flags.model, sessionOptions({ threads }));
  const [side] = sizes;
  const inputs = inputsOf(noise(side, 4), side, 4);
  const [found, expected] = [await session.run(inputs), await processor.run(inputs)];
  const { rms, largest } = distance(found.eps.data as Float32Array, expected.eps.data as Float32Array);
  console.log(
    `from the processor's numbers at ${side}x${side}, batch 4: ${rms.toExponential(1)} rms, ${largest.toExponential(1)} at most, of the rms`,
  );
  await processor.release();
}

const rows: string[][] = [];
for (const side of sizes) {
  const states = noise(side, Math.max(...batches));
  const costs: { batch: number; seconds: number }[] = [];
  for (const batch of batches) {
    const milliseconds: number[] = [];
    const inputs = inputsOf(states, side, batch);
    for (let call = 0; call <= calls; call++) {
      const start = performance.now();
      await session.run(inputs);
      milliseconds.push(performance.now() - start);
    }
    const [first, ...others] = milliseconds;
    costs.push({ batch, seconds: median(others) / 1000 });
    rows.push([
      `${side}x${side}`,
      String(batch),
      ...[first, median(others), Math.max(...others), median(others) / batch].map((ms) => ms.toFixed(2)),
    ]);
  }
  if (flags.cost !== undefined) {
    await mkdir(flags.cost, { recursive: true });
    await writeFile(join(flags.cost, `${side}.json`), `${JSON.stringify(costs)}\n`);
  }
}
console.log(table(["size", "batch", "first ms", "median ms", "slowest ms", "ms a state"], rows));
await session.release();
