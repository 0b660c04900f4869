/**
 * The importer at full size: a synthetic checkpoint of the 256x256 ADM (552,814,086 parameters) is written, imported by the
 * program in a process of its own, loaded by ONNX Runtime by path, and evaluated once.
 *
 *   npm run build && node dist/bench/full-size-import.js [--preset adm-256-uncond] [--fp16] [--folder DIR] [--keep]
 *
 * Needs about 5 GB of disk and, to evaluate, 6 GB of memory. Peaks of memory are the kernel's (VmHWM, Linux), of whole processes.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as ort from "onnxruntime-node";
import { inspectModel } from "../shared/onnx/inspect-model.js";
import { sessionOptions } from "../shared/onnx/session.js";
import { isPresetName, presets } from "../shared/unet/presets.js";
import { writeSyntheticCheckpoint } from "../test/synthetic-checkpoint.js";
import { machineLine } from "./machine.js";

const { values: flags } = parseArgs({
  options: {
    preset: { type: "string", default: "adm-256-uncond" },
    fp16: { type: "boolean", default: false },
    size: { type: "string", default: "256" },
    threads: { type: "string", default: "2" },
    folder: { type: "string", default: tmpdir() },
    keep: { type: "boolean", default: false },
    /** Used by this program itself: the process that evaluates. */
    evaluate: { type: "string" },
  },
});
const size = Number(flags.size);

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(3)} GB`;
const since = (start: number): string => `${((performance.now() - start) / 1000).toFixed(1)} s`;

async function evaluateOnce(path: string): Promise<void> {
  const loading = performance.now();
  const session = await ort.InferenceSession.create(path, sessionOptions({ threads: Number(flags.threads) }));
  console.log(`loaded in ${since(loading)}, resident ${gigabytes(process.memoryUsage.rss())}`);
  const x = Float32Array.from({ length: 3 * size * size }, (_, i) => Math.sin(i * i * 0.37 + i));
  const running = performance.now();
  const { eps } = await session.run({
    x: new ort.Tensor("float32", x, [1, 3, size, size]),
    t: new ort.Tensor("float32", Float32Array.of(500), [1]),
  });
  const found = eps.data as Float32Array;
  const squares = found.reduce((sum, value) => sum + value ** 2, 0);
  console.log(
    `evaluated [${eps.dims.join(", ")}] in ${since(running)} with ${flags.threads} threads, rms ${Math.sqrt(squares / found.length).toFixed(4)}, ${found.every(Number.isFinite) ? "all finite" : "NOT FINITE"}`,
  );
  await session.release();
}

/** Runs a program of this build, and says how long it took and how much memory. */
async function measured(name: string, script: string, args: readonly string[]): Promise<void> {
  // Not ru_maxrss: that one counts what the parent had when it forked.
  const peak = `import { readFileSync } from "node:fs";
    process.on("exit", () => {
      const [, kibibytes] = /VmHWM:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"));
      console.log("peak resident " + (kibibytes * 1024 / 1e9).toFixed(3) + " GB");
    });`;
  const start = performance.now();
  const hook = `data:text/javascript,${encodeURIComponent(peak)}`;
  const child = spawn(process.execPath, ["--import", hook, script, ...args], { stdio: "inherit" });
  const code = await new Promise<number | null>((settle, fail) => {
    child.on("exit", settle);
    child.on("error", fail);
  });
  if (code !== 0) throw new Error(`${name} ended with ${code}`);
  console.log(`${name}: ${since(start)}\n`);
}

async function proof(folder: string): Promise<void> {
  const { preset } = flags;
  if (!isPresetName(preset))
    throw new Error(`--preset ${preset}: known are ${Object.keys(presets).join(", ")}`);
  console.log(machineLine());
  const [checkpoint, model] = [join(folder, `${preset}.pt`), join(folder, `${preset}.onnx`)];
  const writing = performance.now();
  await writeSyntheticCheckpoint(checkpoint, presets[preset]);
  const { size: bytes } = await stat(checkpoint);
  console.log(`checkpoint: ${gigabytes(bytes)}, written in ${since(writing)}`);
  console.log(`allowed to the import: ${gigabytes(0.5 * bytes + 300e6)}\n`);

  const program = fileURLToPath(new URL("../cli/main.js", import.meta.url));
  const precision = flags.fp16 ? ["--fp16"] : [];
  const args = ["model", "import", checkpoint, "--arch", preset, ...precision, "--out", model];
  await measured("import", program, args);
  const { cost, files } = await inspectModel(model, { size: { height: size, width: size } });
  for (const { path, bytes: written } of files) console.log(`${path}: ${gigabytes(written)}`);
  console.log(`multiply-adds at ${size}x${size}: ${((cost?.total ?? 0) / 1e12).toFixed(4)} T\n`);
  await measured("evaluation", fileURLToPath(import.meta.url), [
    ...["--evaluate", model, "--size", flags.size, "--threads", flags.threads],
  ]);
}

if (flags.evaluate !== undefined) {
  await evaluateOnce(flags.evaluate);
} else {
  const folder = await mkdtemp(join(flags.folder, "deqfleet-full-size-"));
  try {
    await proof(folder);
  } finally {
    if (!flags.keep) await rm(folder, { recursive: true });
  }
}
