import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FatalError } from "../../shared/errors.js";
import { temporaryFolder } from "../../test/small-pictures.js";
import { Journal, journalPath } from "./journal.js";
import { contentHash } from "./picture-key.js";
import type { ReportItem } from "./report.js";

const itemFor = (output: string): ReportItem => ({
  input: "/in/a.png",
  output,
  status: "done",
  plan: "serial",
  method: "secant",
  steps: 3,
  rounds: 3,
  evaluations: 3,
  residuals: [],
  converged: true,
  consistency: 0.001,
  psnr: null,
  ssim: null,
  seconds: { total: 1, model: 0.5, wire: 0, other: 0.5 },
});

/** Writes an output file and records it. */
async function finish(out: string, journal: Journal, key: string): Promise<ReportItem> {
  const output = join(out, `${key}.png`);
  await writeFile(output, `pixels of ${key}`);
  const item = itemFor(output);
  await journal.append({ key, outputHash: await contentHash(output), item });
  return item;
}

const lookUp = async (out: string, key: string): Promise<ReportItem | undefined> => {
  const journal = await Journal.open(out);
  try {
    return await journal.finished(key, join(out, `${key}.png`));
  } finally {
    await journal.close();
  }
};

describe("Journal", () => {
  it("remembers finished pictures across runs", async () => {
    const out = await temporaryFolder();
    const journal = await Journal.open(out);
    const item = await finish(out, journal, "a");
    await journal.close();
    expect(await lookUp(out, "a")).toEqual(item);
    expect(await lookUp(out, "b")).toBeUndefined();
  });

  it("counts a picture only while its output is there and unchanged", async () => {
    const out = await temporaryFolder();
    const journal = await Journal.open(out);
    await finish(out, journal, "a");
    await journal.close();
    await writeFile(join(out, "a.png"), "overwritten");
    expect(await lookUp(out, "a")).toBeUndefined();
  });

  it("passes over a line torn by a crash and never continues it", async () => {
    const out = await temporaryFolder();
    const first = await Journal.open(out);
    const a = await finish(out, first, "a");
    await first.close();
    const whole = await readFile(journalPath(out), "utf8");
    await appendFile(journalPath(out), whole.slice(0, whole.length / 2));

    const second = await Journal.open(out);
    const b = await finish(out, second, "b");
    const c = await finish(out, second, "c");
    await second.close();
    for (const [key, item] of Object.entries({ a, b, c })) expect(await lookUp(out, key)).toEqual(item);
  });

  it("keeps lines whole when pictures finish at the same time", async () => {
    const out = await temporaryFolder();
    const journal = await Journal.open(out);
    const keys = Array.from({ length: 20 }, (_, i) => `p${i}`);
    await Promise.all(keys.map((key) => finish(out, journal, key)));
    await journal.close();
    const lines = (await readFile(journalPath(out), "utf8")).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).key).sort()).toEqual([...keys].sort());
  });

  it("says that an output folder cannot be made", async () => {
    const file = join(await temporaryFolder(), "file");
    await writeFile(file, "");
    await expect(Journal.open(join(file, "out"))).rejects.toThrow(FatalError);
  });
});
