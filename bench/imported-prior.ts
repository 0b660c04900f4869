/**
 * The default prior as `deqfleet model import` writes it beside the same network as PyTorch exported it: evaluations of a
 * picture per second, on the CPU provider with one thread.
 *
 *   npm run build && npm run bench:imported-prior [-- --seconds 8]
 *
 * Both are measured in turns within one process, and what is compared is each turn's own ratio: whatever else the machine
 * does meanwhile slows both. A third column repeats the exported network in the place of the imported one; its distance
 * from 1 is the noise.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as ort from "onnxruntime-node";
import { sessionOptions } from "../shared/onnx/session.js";
import { packageRoot } from "../shared/package-root.js";
import { machineLine } from "./machine.js";
import { median, table } from "./table.js";

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "8" },
    imported: { type: "string", default: fileURLToPath(new URL("models/prior.onnx", packageRoot)) },
    exported: {
      type: "string",
      default: fileURLToPath(new URL("test/fixtures/prior-pytorch.onnx", packageRoot)),
    },
  },
});

/** Batch and side. */
const cases = [
  [1, 64],
  [4, 64],
  [16, 64],
  [1, 128],
  [4, 128],
  [1, 256],
  [2, 256],
] as const;

const names = ["exported", "imported", "again"] as const;
type Name = (typeof names)[number];

const load = (path: string) => ort.InferenceSession.create(path, sessionOptions({ threads: 1 }));
const sessions: Record<Name, ort.InferenceSession> = {
  exported: await load(flags.exported),
  imported: await load(flags.imported),
  again: await load(flags.exported),
};

/** Milliseconds of a run. */
async function time(name: Name, feeds: Record<string, ort.Tensor>): Promise<number> {
  const start = performance.now();
  await sessions[name].run(feeds);
  return performance.now() - start;
}

console.log(`${machineLine()}, ONNX Runtime CPU provider, one thread`);
const rows: string[][] = [];
for (const [batch, side] of cases) {
  const x = Float32Array.from({ length: batch * 3 * side * side }, (_, i) => Math.sin(i * i * 0.37 + i));
  const feeds = {
    x: new ort.Tensor("float32", x, [batch, 3, side, side]),
    t: new ort.Tensor("float32", new Float32Array(batch).fill(500), [batch]),
  };
  for (const name of names) await time(name, feeds);
  const times: Record<Name, number[]> = { exported: [], imported: [], again: [] };
  const end = performance.now() + Number(flags.seconds) * 1000;
  for (let turn = 0; performance.now() < end || turn < 5; turn++) {
    // Whoever comes first in a turn, comes later in the next: none is favoured by its place.
    for (let i = 0; i < names.length; i++) {
      const name = names[(turn + i) % names.length];
      times[name].push(await time(name, feeds));
    }
  }
  const perSecond = (name: Name) => ((batch * 1000) / median(times[name])).toFixed(2);
  const ratio = (name: Name) => median(times.exported.map((ms, turn) => ms / times[name][turn])).toFixed(3);
  rows.push([
    `${batch} x ${side}x${side}`,
    String(times.exported.length),
    perSecond("exported"),
    perSecond("imported"),
    ratio("imported"),
    ratio("again"),
  ]);
}
console.log(
  table(
    [
      "pictures a call",
      "turns",
      "exported, pictures/s",
      "imported, pictures/s",
      "imported : exported",
      "exported : exported",
    ],
    rows,
  ),
);
for (const name of names) await sessions[name].release();
