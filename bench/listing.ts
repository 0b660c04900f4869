/**
 * Memory and time of listing a folder of many objects.
 *
 *   npm run build && npm run bench:listing [-- --objects 1000000 --folder /dev/shm]
 *
 * The files are empty and lie in one folder, below `--folder`. Resident memory
 * and its peak are read from /proc (Linux only).
 */
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { FolderStore } from "../shared/storage/folder-store.js";
import { machineLine } from "./machine.js";

const { values } = parseArgs({
  options: {
    objects: { type: "string", default: "1000000" },
    folder: { type: "string", default: tmpdir() },
  },
});
const objects = Number(values.objects);
const together = 1000;

const megabytes = (field: "VmRSS" | "VmHWM"): number => {
  const pattern = new RegExp(`${field}:\\s+(\\d+)`);
  const [, kilobytes] = pattern.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Number(kilobytes) / 1024;
};

const folder = await mkdtemp(join(values.folder, "deqfleet-bench-"));
try {
  for (let i = 0; i < objects; i += together) {
    const names = Array.from({ length: Math.min(together, objects - i) }, (_, j) =>
      `${i + j}`.padStart(8, "0"),
    );
    await Promise.all(names.map((name) => writeFile(join(folder, `${name}.png`), "")));
  }
  const store = await FolderStore.open(folder, { create: false });
  const before = megabytes("VmRSS");
  const cpu = process.cpuUsage();
  const start = performance.now();
  let [listed, first] = [0, 0];
  for await (const _ of store.list()) {
    if (listed === 0) first = performance.now() - start;
    listed++;
  }
  const { user, system } = process.cpuUsage(cpu);
  console.log(machineLine());
  console.log(
    `${listed} objects listed: ${before.toFixed(0)} MB resident before, at most ${megabytes("VmHWM").toFixed(0)} MB meanwhile; ` +
      `first key after ${(first / 1000).toFixed(1)} s, all after ${((performance.now() - start) / 1000).toFixed(1)} s ` +
      `(${((user + system) / 1e6).toFixed(1)} s of processor time)`,
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
