/**
 * How well plans are predicted: restore runs over local workers, their predicted and their real times.
 *
 *   npm run build && npm run bench:prediction [-- --pictures 1,2,8 --workers 1,2 --plans serial,time-parallel --size 64]
 *
 * Costs are measured beforehand, as by `deqfleet plan`.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { startLocalFleet } from "../coordinator/local-fleet.js";
import { planRestore } from "../coordinator/restore/plan-restore.js";
import { runRestore } from "../coordinator/restore/run.js";
import { planNames, resolveRestoreSettings } from "../shared/config/restore-settings.js";
import { packageRoot } from "../shared/package-root.js";
import { chosen, chosenNumbers } from "./choices.js";
import { machineLine } from "./machine.js";
import { median, table } from "./table.js";

const { values } = parseArgs({
  options: {
    pictures: { type: "string", default: "1,2,8" },
    workers: { type: "string", default: "1,2" },
    plans: { type: "string", default: "serial,time-parallel" },
    size: { type: "string", default: "64" },
    steps: { type: "string", default: "25" },
  },
});
const plans = chosen("--plans", values.plans, planNames);
const workerCounts = chosenNumbers("--workers", values.workers);
const pictureCounts = chosenNumbers("--pictures", values.pictures);
const [size, steps] = [Number(values.size), Number(values.steps)];
const photos = ["astronaut", "chelsea", "coffee", "rocket"];

const folder = await mkdtemp(join(tmpdir(), "deqfleet-prediction-"));
const cache = join(folder, "cache");
const defaultModel = fileURLToPath(new URL("models/prior.onnx", packageRoot));
const signal = new AbortController().signal;
let runs = 0;

/** Writes so many different small pictures. */
async function writePictures(count: number): Promise<string> {
  const inputs = join(folder, `in-${count}`);
  await mkdir(inputs);
  for (let i = 0; i < count; i++) {
    const photo = fileURLToPath(new URL(`photos/${photos[i % photos.length]}.png`, packageRoot));
    await sharp(photo)
      .rotate(90 * Math.floor(i / photos.length))
      .resize(size, size)
      .toFile(join(inputs, `${i}.png`));
  }
  return inputs;
}

function settingsOf(inputs: string, workers: number, plan: (typeof planNames)[number]) {
  const out = join(folder, `out-${runs++}`);
  const given = { out, task: "sr-average", simulate: true, steps, workers, threads: 1, plan } as const;
  return resolveRestoreSettings([inputs], given, {}, { cwd: folder, defaultModel });
}

async function run(inputs: string, workers: number, plan: (typeof planNames)[number]) {
  const settings = settingsOf(inputs, workers, plan);
  return (await runRestore({ settings, startFleet: startLocalFleet, signal, cache })).run;
}

console.log(`${machineLine()}\n`);
const rows: string[][] = [];
const errors: number[] = [];
for (const count of pictureCounts) {
  const inputs = await writePictures(count);
  for (const workers of workerCounts) {
    // Measures, and takes no part in the comparison.
    const settings = settingsOf(inputs, workers, "auto");
    await planRestore({ settings, startFleet: startLocalFleet, signal, cache, cwd: folder, cores: 1 });
    for (const name of plans) {
      const { plan } = await run(inputs, workers, name);
      if (!plan.predicted || !plan.outcome) {
        rows.push([String(count), String(workers), name, "unknown", "", "", "", ""]);
        continue;
      }
      const error = plan.predicted.seconds / plan.outcome.seconds - 1;
      errors.push(Math.abs(error));
      rows.push([
        String(count),
        String(workers),
        `${name}, ${plan.sideBySide} x ${plan.slices}`,
        plan.predicted.seconds.toFixed(2),
        plan.outcome.seconds.toFixed(2),
        `${error > 0 ? "+" : ""}${Math.round(100 * error)} %`,
        plan.predicted.latency.toFixed(2),
        plan.outcome.latency.toFixed(2),
      ]);
    }
  }
}
await rm(folder, { recursive: true });
const header = ["pictures", "workers", "plan", "predicted s", "real s", "error", "latency predicted", "real"];
console.log(table(header, rows));
console.log(
  `\nmedian error ${Math.round(100 * median(errors))} %, largest ${Math.round(100 * Math.max(...errors))} %`,
);
