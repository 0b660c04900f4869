/**
 * What the queue of dataset jobs costs: items a second through one coordinator and its workers, with a network and pictures
 * that cost next to nothing, so that what remains is the system around them.
 *
 *   npm run build && npm run bench:job-queue [-- --pictures 5000 --workers 4 --side 16 --nats nats://HOST:PORT]
 *
 * Coordinator and workers are processes as users start them, on temporary folders; the embedded log, or NATS where it is given.
 * Every picture is read, decoded, restored in one step, encoded and written durably by a worker. The rate is that of the
 * manifest: from the first outcome to the last.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import sharp from "sharp";
import { itemOutcomeSchema } from "../shared/jobs/work-item.js";
import { packageRoot } from "../shared/package-root.js";
import { machineLine } from "./machine.js";
import { writeNullModel } from "./null-model.js";
import { table } from "./table.js";

const { values } = parseArgs({
  options: {
    pictures: { type: "string", default: "5000" },
    workers: { type: "string", default: "4" },
    side: { type: "string", default: "16" },
    nats: { type: "string" },
  },
});
const [pictures, workers, side] = [values.pictures, values.workers, values.side].map(Number);
const program = fileURLToPath(new URL("dist/cli/main.js", packageRoot));
const run = promisify(execFile);

/** Started programs with what they printed, ended together. */
const started: ReturnType<typeof start>[] = [];
function start(...args: string[]) {
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const prints = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const found = pattern.exec(output);
      if (found) return found;
      if (child.exitCode !== null) throw new Error(`ended early:\n${output}`);
      await once(child.stdout, "data");
    }
  };
  return { child, prints };
}

/** Seconds of processor, and the largest resident size in MB, of a process. */
async function usage(pid: number | undefined): Promise<{ seconds: number; megabytes: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
    .map(Number);
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return {
    // Linux counts in hundredths of a second.
    seconds: (user + system) / 100,
    megabytes: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024,
  };
}

const folder = await mkdtemp(join(tmpdir(), "deqfleet-job-queue-"));
try {
  const model = join(folder, "null.onnx");
  await writeNullModel(model);
  const input = join(folder, "in");
  await mkdir(input);
  const first = join(input, "000000.png");
  await sharp({ create: { width: side, height: side, channels: 3, background: "#7090b0" } }).toFile(first);
  for (let i = 1; i < pictures; i++) await copyFile(first, join(input, `${String(i).padStart(6, "0")}.png`));

  const log = values.nats === undefined ? ["--data", join(folder, "jobs")] : ["--nats", values.nats];
  const coordinator = start("coordinator", "--listen", "127.0.0.1:0", ...log);
  started.push(coordinator);
  const [, address] = await coordinator.prints(/reached at (\S+?)(?:,|\s)/);
  const at = ["--coordinator", address];
  const joined = Array.from({ length: workers }, (_, i) => {
    const flags = ["--name", `w${i}`, "--model", model, "--threads", "1", "--measure", "0", "--batch", "8"];
    const worker = start("worker", ...at, ...flags);
    started.push(worker);
    return worker;
  });
  for (const worker of joined) await worker.prints(/serving: joined/);

  const before = await Promise.all(started.map(({ child }) => usage(child.pid)));
  const name = `bench-${process.pid}`;
  const task = ["--task", "inpaint", "--steps", "1", "--model", model];
  const mask = join(folder, "mask.png");
  await sharp({ create: { width: side, height: side, channels: 3, background: "#ffffff" } }).toFile(mask);
  const places = [input, "--out", join(folder, "out"), "--name", name, "--mask", mask];
  await run(process.execPath, [program, "submit", ...places, ...task, ...at]);
  await run(process.execPath, [program, "watch", name, ...at], { maxBuffer: 1 << 26 });
  const after = await Promise.all(started.map(({ child }) => usage(child.pid)));
  const { stdout } = await run(process.execPath, [program, "results", name, ...at], { maxBuffer: 1 << 30 });
  const outcomes = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => itemOutcomeSchema.parse(JSON.parse(line)));
  const done = outcomes.filter(({ status }) => status === "done").length;
  if (done !== pictures) throw new Error(`${done} of ${pictures} pictures were restored`);
  const times = outcomes.map(({ at: when }) => Date.parse(when));
  const seconds = (Math.max(...times) - Math.min(...times)) / 1000;
  const spent = started.map((_, i) => after[i]!.seconds - before[i]!.seconds);
  const perItem = (total: number) => ((1000 * total) / pictures).toFixed(2);
  console.log(`${pictures} pictures of ${side}x${side}, 1 step, ${workers} workers; ${machineLine()}`);
  console.log(
    table(
      ["log", "s", "items/s", "coordinator CPU ms/item", "workers CPU ms/item", "coordinator MB"],
      [
        [
          values.nats === undefined ? "embedded" : "nats",
          seconds.toFixed(1),
          ((pictures - 1) / seconds).toFixed(0),
          perItem(spent[0]!),
          perItem(spent.slice(1).reduce((sum, one) => sum + one, 0)),
          after[0]!.megabytes.toFixed(0),
        ],
      ],
    ),
  );
} finally {
  for (const { child } of started) {
    const ended = child.exitCode !== null || once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }
  await rm(folder, { recursive: true, force: true });
}
