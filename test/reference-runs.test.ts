/**
 * Whole chains against runs recorded from DeqIR's own code with the packaged prior. A record holds the start noise x_T,
 * the measurement y, the output of its Anderson iteration (at most 15 rounds) and its exact fixed point.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clampedPsnr } from "../bench/photo-chain.js";
import { PrefixScan } from "../coordinator/solver/prefix-scan.js";
import { solveSerial, solveTimeParallel } from "../coordinator/solver/solve-chain.js";
import type { MethodName } from "../shared/chain/method.js";
import type { ChainSpec } from "../shared/chain/slice-host.js";
import { InputError } from "../shared/errors.js";
import { deqirBlurParts } from "../shared/operators/deqir-blur.js";
import { createOperator, type OperatorExtras, type TaskSettings } from "../shared/operators/task.js";
import { float32Tensor } from "../shared/safetensors.js";
import { encodeChain } from "../shared/wire/chain-codec.js";
import { OnnxNetwork } from "../worker/engine/network.js";
import { GivenOperatorHost } from "./given-operator-host.js";
import { priorPath } from "./in-process-fleet.js";
import { onGrid, recordedTensors } from "./recorded-runs.js";
import { recoverSortOrder } from "./recover-sort-order.js";
import { relativeDistance } from "./seeded-values.js";
import { toyChain } from "./toy-chain.js";

const runs = recordedTensors("deqir-runs-64.safetensors");
const operators = recordedTensors("deqir-operators-64.safetensors");
const canvas = { height: 64, width: 64 };
const kept = runs.tensors.get("mask")!.bytes;

/** The order in which the reference sorted equal singular values is open: it is read off another record of the blur. */
const recordedOrder = () =>
  recoverSortOrder(deqirBlurParts({ channels: 3, ...canvas }, "deblur-gauss"), {
    x: float32Tensor(operators, "x"),
    y: float32Tensor(operators, "deblur_gauss.y"),
    pinvY: float32Tensor(operators, "deblur_gauss.pinv_y"),
  });

interface RecordedTask {
  readonly settings: TaskSettings;
  readonly extras: () => OperatorExtras;
  /** The reference's measurement in this program's layout. */
  readonly layout: (y: Float32Array) => Float32Array;
}

const none = () => ({});
const same = (y: Float32Array) => y;
const tasks = {
  sr_averagepooling_x4: { settings: { task: "sr-average", scale: 4 }, extras: none, layout: same },
  inpainting: {
    settings: { task: "inpaint" },
    extras: () => ({ mask: { ...canvas, kept } }),
    layout: (y) => onGrid(y, kept),
  },
  colorization: { settings: { task: "colorize" }, extras: none, layout: same },
  deblur_gauss: {
    settings: { task: "deblur-gauss", blurForm: "deqir" },
    extras: () => ({ sortOrder: recordedOrder() }),
    layout: same,
  },
} as const satisfies Record<string, RecordedTask>;

const names = Object.keys(tasks) as (keyof typeof tasks)[];
const cases = [10, 25].flatMap((steps) => names.map((name) => ({ steps, name })));
const never = new AbortController().signal;

let network: OnnxNetwork;
let scan: PrefixScan;
beforeAll(async () => {
  network = await OnnxNetwork.load(priorPath, { threads: 1 });
  scan = new PrefixScan();
});
afterAll(async () => {
  await network.release();
  await scan.release();
});

it("the reference itself had converged in all eight recorded runs", () => {
  for (const { steps, name } of cases) {
    const [anderson, fixedPoint] = ["anderson", "fixed_point"].map((which) =>
      float32Tensor(runs, `T${steps}.${name}.${which}`),
    );
    expect(clampedPsnr(anderson!, fixedPoint!), `T=${steps} ${name}`).toBeGreaterThan(45);
  }
});

describe.each(cases)("T = $steps, $name", ({ steps, name }) => {
  const recorded = (which: string) => float32Tensor(runs, `T${steps}.${name}.${which}`);
  const { settings, extras, layout }: RecordedTask = tasks[name];
  const operator = createOperator(settings, canvas, extras());

  const chain = (method: MethodName): ChainSpec => ({
    pictureId: name,
    seed: 0,
    schedule: { steps, start: 1000, spacing: "uniform" },
    weights: { etw: 0, nw: 0 },
    method,
    task: settings,
    canvas,
    mask: settings.task === "inpaint" ? kept : undefined,
    pseudoInverse: operator.pseudoInverse(layout(recorded("y"))),
    initialState: recorded("x_T"),
  });
  const settled = { tolerance: 1e-12, maxRounds: undefined };

  let host: GivenOperatorHost;
  beforeAll(async () => {
    host = await GivenOperatorHost.load(operator, network, 2);
  });
  afterAll(() => host.release());

  it("the serial chain ends at the reference's fixed point", async () => {
    const { picture } = await solveSerial(chain("picard"), host, 0, never);
    expect(relativeDistance(picture, recorded("fixed_point"))).toBeLessThan(1e-3);
  });

  it("picard ends there after T rounds", async () => {
    const solution = await solveTimeParallel(chain("picard"), settled, { host, scan, operator }, never);
    expect(relativeDistance(solution.picture, recorded("fixed_point"))).toBeLessThan(1e-3);
  });

  it("deqir gives the reference's picture after its 15 rounds", async () => {
    const published = { tolerance: 1e-12, maxRounds: 15 };
    const solution = await solveTimeParallel(chain("deqir"), published, { host, scan, operator }, never);
    expect(solution.rounds).toBeLessThanOrEqual(15);
    expect(clampedPsnr(solution.picture, recorded("anderson"))).toBeGreaterThan(45);
  });
});

it("a chain with a given start noise is not sent to workers", () => {
  const settings = toyChain({ steps: 10, method: "picard" });
  const initialState = new Float32Array(3 * settings.canvas.height * settings.canvas.width);
  expect(() => encodeChain({ ...settings, initialState })).toThrow(InputError);
  expect(() => encodeChain(settings)).not.toThrow();
});
