/**
 * What a job log costs: items published, taken, recorded and settled a second, and the memory of a job of a million items.
 *
 *   npm run build && npm run bench:job-log [-- --items 1000000 --settle 100000 --takers 16 --batch 16]
 *
 * The embedded log, on a temporary folder; with `--nats nats://HOST:PORT` also the NATS log (`scripts/install-nats-server.js`
 * prints the path of a broker to start with `-js`; `--broker-pid` measures its memory, too). Each log runs in a process of
 * its own. Resident sizes are the largest seen, every 20 ms, up to the end of each step.
 */
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { EmbeddedLog } from "../coordinator/jobs/embedded-log/embedded-log.js";
import type { JobLog } from "../coordinator/jobs/job-log.js";
import { NatsLog } from "../coordinator/jobs/nats-log/nats-log.js";
import { natsSettingsSchema } from "../shared/config/nats-settings.js";
import type { ItemOutcome, WorkItem } from "../shared/jobs/work-item.js";
import { machineLine } from "./machine.js";
import { table } from "./table.js";

const { values } = parseArgs({
  options: {
    items: { type: "string", default: "1000000" },
    /** How many of them are taken, recorded and settled. */
    settle: { type: "string", default: "100000" },
    takers: { type: "string", default: "16" },
    batch: { type: "string", default: "16" },
    nats: { type: "string" },
    "broker-pid": { type: "string" },
    /** Of a process that measures one log for another. */
    log: { type: "string" },
  },
});
const [items, settle, takers, batch] = [values.items, values.settle, values.takers, values.batch].map(Number);
const job = "bench";
/** Items of one call, as a listing publishes them. */
const page = 1000;

const workItem = (index: number): WorkItem => ({
  index,
  generation: 0,
  key: `holiday/2026/picture-${index}.png`,
  bytes: 123_456,
});

const outcome = ({ index, generation, key }: WorkItem): ItemOutcome => ({
  index,
  generation,
  key,
  status: "done",
  output: key,
  sha256: "0123456789abcdef".repeat(4),
  errors: [],
  deliveries: 1,
  worker: "worker-1",
  plan: "serial",
  rounds: null,
  evaluations: 25,
  residual: null,
  consistency: 0.0123,
  psnr: null,
  ssim: null,
  seconds: 1.234,
  at: "2026-01-02T03:04:05.678Z",
});

const megabytesOf = async (pid: string): Promise<string> => {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return (Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024).toFixed(0);
};

/** Runs the steps and returns the rows of the table. @param reopen closes the log and opens it again */
async function measure(
  name: string,
  first: JobLog,
  reopen: (log: JobLog) => Promise<JobLog>,
): Promise<string[][]> {
  let log = first;
  let largest = 0;
  const sampling = setInterval(() => {
    largest = Math.max(largest, process.memoryUsage.rss());
  }, 20);
  const rows: string[][] = [];
  const step = async (what: string, count: number, work: () => Promise<void>) => {
    const [from, cpu] = [performance.now(), process.cpuUsage()];
    await work();
    const seconds = (performance.now() - from) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const broker = values["broker-pid"] && name === "nats" ? await megabytesOf(values["broker-pid"]) : "";
    rows.push([
      name,
      what,
      String(count),
      seconds.toFixed(2),
      (count / seconds).toFixed(0),
      ((user + system) / count).toFixed(1),
      (largest / 2 ** 20).toFixed(0),
      broker,
    ]);
  };
  const { signal } = new AbortController();
  rows.push([name, "start", "", "", "", "", (process.memoryUsage.rss() / 2 ** 20).toFixed(0), ""]);
  await step("publish", items, async () => {
    for (let from = 0; from < items; from += page) {
      await log.publish(
        job,
        Array.from({ length: Math.min(page, items - from) }, (_, i) => workItem(from + i)),
      );
    }
  });
  await step("close, open, count", items, async () => {
    log = await reopen(log);
    const { queued } = await log.backlog(job);
    if (queued !== items) throw new Error(`${queued} of ${items} items are there`);
  });
  let left = settle;
  const taker = async () => {
    while (left > 0) {
      left -= batch;
      const taken = await log.take(job, batch, {
        waitMilliseconds: 10_000,
        signal: new AbortController().signal,
      });
      await Promise.all(
        taken.map(async (item) => {
          await log.record(job, outcome(item.item));
          await item.settle();
        }),
      );
    }
  };
  await step("take, record, settle", settle, async () => {
    await Promise.all(Array.from({ length: takers }, taker));
  });
  await step("read outcomes", settle, async () => {
    let count = 0;
    for await (const _ of log.outcomes(job, { follow: false, signal })) count++;
    if (count < settle) throw new Error(`${count} of ${settle} outcomes are there`);
  });
  await step("purge", items - settle, () => log.purge(job));
  clearInterval(sampling);
  await log.close();
  return rows;
}

async function measureEmbedded(): Promise<string[][]> {
  const folder = await mkdtemp(join(tmpdir(), "deqfleet-bench-"));
  try {
    return await measure("embedded", await EmbeddedLog.open(folder), async (log) => {
      await log.close();
      return EmbeddedLog.open(folder);
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function measureNats(): Promise<string[][]> {
  const settings = natsSettingsSchema.parse({ servers: [values.nats], prefix: `bench-${process.pid}` });
  return measure("nats", await NatsLog.open(settings), async (log) => {
    await log.close();
    return NatsLog.open(settings);
  });
}

if (values.log !== undefined) {
  const rows = values.log === "nats" ? await measureNats() : await measureEmbedded();
  console.log(JSON.stringify(rows));
} else {
  const logs = values.nats === undefined ? ["embedded"] : ["embedded", "nats"];
  console.log(`${machineLine()}; ${takers} takers of ${batch} items`);
  const rows = logs.flatMap((log): string[][] => {
    const args = [fileURLToPath(import.meta.url), ...process.argv.slice(2), "--log", log];
    return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }));
  });
  const header = ["log", "step", "items", "s", "items/s", "CPU us/item", "largest MB", "broker MB"];
  console.log(table(header, rows));
}
