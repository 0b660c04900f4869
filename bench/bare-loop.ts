/**
 * What throughput mode is measured against: a process that restores pictures in a plain loop, with the same session,
 * batch and step arithmetic as a worker, but without threads, streams or a scheduler. Chains begin and end together.
 *
 * Told what to do by its parent, see {@link BareTask}; answers when it is done.
 */
import { performance } from "node:perf_hooks";
import type { ChainSpec } from "../shared/chain/slice-host.js";
import { RowPool } from "../shared/kernels/row-pool.js";
import { loadStateKernels } from "../shared/kernels/state-kernels.js";
import { createOperator } from "../shared/operators/task.js";
import { OnnxNetwork } from "../worker/engine/network.js";
import { SerialChain } from "../worker/engine/serial-chain.js";

/** A share of the pictures. */
export interface BareTask {
  readonly modelPath: string;
  /** Without its A^+ y, which would cross as JSON. */
  readonly chain: Omit<ChainSpec, "pseudoInverse">;
  readonly pictures: number;
  readonly batch: number;
}

/** The answer: seconds the loop took. */
export interface BareResult {
  readonly seconds: number;
}

let network: OnnxNetwork | undefined;
const pool = new RowPool(64);

async function run({ modelPath, chain, pictures, batch }: BareTask): Promise<BareResult> {
  network ??= await OnnxNetwork.load(modelPath, { threads: 1 });
  const { canvas, task, schedule } = chain;
  const kernels = await loadStateKernels(createOperator(task, canvas), { threads: 1 });
  const size = 3 * canvas.height * canvas.width;
  const pseudoInverse = Float32Array.from({ length: size }, (_, i) => Math.sin(i / 50));
  const states = new Float32Array(batch * size);
  const noise = new Float32Array(batch * size);
  const started = performance.now();
  for (let first = 0; first < pictures; first += batch) {
    const chains: SerialChain[] = [];
    for (let i = first; i < Math.min(pictures, first + batch); i++) {
      const spec = { ...chain, pseudoInverse, pictureId: `${i}.png` };
      chains.push(
        await SerialChain.begin(
          { chain: spec, begin: 0, end: schedule.steps, seeds: undefined },
          kernels,
          pool,
        ),
      );
    }
    const used = chains.length * size;
    for (let step = 0; step < schedule.steps; step++) {
      for (const [i, one] of chains.entries()) states.set(await one.state(), i * size);
      const timesteps = chains.map((one) => one.timestep);
      await network.evaluate(states.subarray(0, used), timesteps, canvas, noise.subarray(0, used));
      for (const [i, one] of chains.entries()) {
        one.noise.set(noise.subarray(i * size, (i + 1) * size));
        await one.advance();
      }
    }
    for (const one of chains) one.close();
  }
  const seconds = (performance.now() - started) / 1000;
  await kernels.release();
  return { seconds };
}

process.on("message", (task: BareTask) => {
  void run(task).then((result) => process.send?.(result));
});
process.on("disconnect", () => process.exit(0));
