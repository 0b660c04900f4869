/**
 * What the coordinator spends on a message and on a tensor, for simulations (docs/simulation.md): processor time of this
 * process per further round of a cut chain, without shared memory, as with workers on other machines.
 *
 *   npm run build && node dist/bench/coordinator-cost.js [--sizes 8,64,128,256 --workers 4 --repeats 12]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startLocalFleet } from "../coordinator/local-fleet.js";
import { PrefixScan } from "../coordinator/solver/prefix-scan.js";
import { solveTimeParallel } from "../coordinator/solver/solve-chain.js";
import { setV8Flags } from "../shared/v8-flags.js";
import { chosenNumbers } from "./choices.js";
import { machineLine } from "./machine.js";
import { writeNullModel } from "./null-model.js";
import { measurePhoto, photoChain, photoTasks } from "./photo-chain.js";
import { median, table } from "./table.js";

const { values } = parseArgs({
  options: {
    sizes: { type: "string", default: "8,64,128,256" },
    workers: { type: "string", default: "4" },
    repeats: { type: "string", default: "12" },
  },
});
const sizes = chosenNumbers("--sizes", values.sizes);
const [workers] = chosenNumbers("--workers", values.workers);
const [repeats] = chosenNumbers("--repeats", values.repeats);
const steps = 24;
const rounds = 6;
/** Chains not counted: code is compiled over the first dozens. */
const warmUps = 60;

setV8Flags();
const folder = await mkdtemp(join(tmpdir(), "deqfleet-bench-"));
const modelPath = join(folder, "null.onnx");
await writeNullModel(modelPath);
const signal = new AbortController().signal;
const fleet = await startLocalFleet({ workers, threads: 1, modelPath, signal, lanes: false });
const scan = new PrefixScan();
// A command and a report a slice; an exit of every slice but the last, a correction of every one but the first.
const [messages, tensors] = [2 * workers, 2 * (workers - 1)];

console.log(`${machineLine()}; ${workers} workers: the coordinator's processor time, medians of ${repeats}`);
const rows: string[][] = [];
let perMessage = Number.NaN;
for (const size of sizes) {
  const measured = await measurePhoto("coffee", size, photoTasks[0]);
  const parts = { host: fleet.host, scan, operator: measured.operator };
  const chain = photoChain(measured, "secant", steps);
  const spent = async (maxRounds: number): Promise<number> => {
    const before = process.cpuUsage();
    await solveTimeParallel(chain, { tolerance: 1e-9, maxRounds }, parts, signal);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
  for (let i = 0; i < warmUps; i++) await spent(rounds);
  const perRound: number[] = [];
  for (let i = 0; i < repeats; i++) perRound.push(((await spent(rounds)) - (await spent(1))) / (rounds - 1));
  const round = median(perRound);
  // The smallest tensors cost nothing beside their messages.
  if (rows.length === 0) perMessage = round / messages;
  const perTensor = (round - messages * perMessage) / tensors;
  const perByte = (perTensor * 1e6) / (12 * size ** 2);
  rows.push([
    `${size}x${size}`,
    round.toFixed(2),
    perMessage.toFixed(2),
    rows.length === 0 ? "-" : perTensor.toFixed(2),
    rows.length === 0 ? "-" : perByte.toFixed(1),
  ]);
}
console.log(table(["size", "ms a round", "ms a message", "ms a tensor", "ns a byte"], rows));
await fleet.close();
await scan.release();
await rm(folder, { recursive: true });
