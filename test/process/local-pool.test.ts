/** Local workers as members of a pool: they leave it when they die, and are back when they were started again. */
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, expect, it } from "vitest";
import { type LocalPool, startLocalPool } from "../../coordinator/fleet/local-pool.js";
import { picturesAhead } from "../../coordinator/fleet/worker-slots.js";
import { PrefixScan } from "../../coordinator/solver/prefix-scan.js";
import { solveSerial, solveTimeParallel } from "../../coordinator/solver/solve-chain.js";
import { batchLimits } from "../../shared/chain/batch-limits.js";
import { InputError, RetryableError } from "../../shared/errors.js";
import { never } from "../fleet-fixture.js";
import { ModelFolder, smoothModel } from "../models.js";
import { becomesTrue } from "../processes.js";
import { psnr } from "../seeded-values.js";
import { operatorOf, taskSamples } from "../task-samples.js";
import { toyChain } from "../toy-chain.js";

const models = new ModelFolder();
afterAll(() => models.remove());
const smooth = models.write("smooth.onnx", smoothModel());
const chain = toyChain({ steps: 12, method: "secant" });

let open: LocalPool | undefined;
afterEach(() => open?.close());

async function start(modelPath: string): Promise<LocalPool> {
  open = await startLocalPool({ workers: 2, threads: 1, modelPath, signal: never });
  return open;
}

it("whole and cut chains run on them, through the death of one", async () => {
  const { workers, network } = await start(smooth);
  const before = workers.members();
  expect(before.map(({ name, state }) => `${name} ${state}`)).toEqual([
    "worker-1 serving",
    "worker-2 serving",
  ]);
  const request = { model: network.hash, signal: never };
  const lease = await workers.acquire({ ...request, alone: false });
  const { picture } = await solveSerial(chain, lease.host, 0, never);
  lease.release();
  const group = await workers.acquireGroup({ ...request, slices: 2 });
  const scan = new PrefixScan();
  const parts = { host: group.host, scan, operator: operatorOf(taskSamples[0]) };
  const limits = { tolerance: 1e-3, maxRounds: undefined };
  const cut = await solveTimeParallel(chain, limits, parts, never, ({ round }) => {
    if (round === 2) process.kill(before[1].pid, "SIGKILL");
  });
  await scan.release();
  group.release();
  expect(cut).toMatchObject({ converged: true, losses: 1 });
  expect(psnr(cut.picture, picture)).toBeGreaterThan(50);
  const pids = () => workers.members().map(({ pid }) => pid);
  expect(await becomesTrue(20_000, () => pids().length === 2)).toBe(true);
  expect(pids()).toContain(before[0].pid);
  expect(pids()).not.toContain(before[1].pid);
  expect(workers.capacity(network.hash)).toBe(2 * (batchLimits(null).pictures + picturesAhead));
});

it("whoever waits gets the reason when none of them comes back", async () => {
  const model = join(models.path, "changing.onnx");
  copyFileSync(smooth, model);
  const { workers, network } = await start(model);
  const lease = await workers.acquire({ model: network.hash, alone: true, signal: never });
  writeFileSync(model, "no model any more");
  for (const { pid } of workers.members()) process.kill(pid, "SIGKILL");
  expect(await becomesTrue(20_000, () => workers.members().length === 0)).toBe(true);
  expect(lease.lost.reason).toBeInstanceOf(RetryableError);
  await expect(workers.acquire({ model: network.hash, alone: true, signal: never })).rejects.toThrow(
    InputError,
  );
});
