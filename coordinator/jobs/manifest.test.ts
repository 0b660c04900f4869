import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ItemOutcome } from "../../shared/jobs/work-item.js";
import { itemOutcome } from "../../test/job-samples.js";
import { manifestColumns, manifestCsv, manifestJsonLines } from "./manifest.js";
import type { StandingOutcome } from "./standing-outcomes.js";

async function* each(outcomes: readonly ItemOutcome[]): AsyncGenerator<StandingOutcome> {
  for (const outcome of outcomes) yield outcome as StandingOutcome;
}

async function chunksOf(chunks: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

const csvOf = async (outcomes: readonly ItemOutcome[]) =>
  (await chunksOf(manifestCsv(each(outcomes)))).join("");
const jsonOf = async (outcomes: readonly ItemOutcome[]) =>
  (await chunksOf(manifestJsonLines(each(outcomes)))).join("");

/** Reads CSV letter by letter, after the grammar of RFC 4180; throws where a text does not follow it. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let at = 0;
  const cell = (): string => {
    if (text[at] !== '"') {
      const [plain] = /^[^",\r\n]*/.exec(text.slice(at)) ?? [""];
      at += plain.length;
      return plain;
    }
    let inside = "";
    for (at++; ; at++) {
      if (at >= text.length) throw new Error("a quote is not closed");
      if (text[at] === '"' && text[++at] !== '"') return inside;
      inside += text[at];
    }
  };
  while (at < text.length) {
    const row = [cell()];
    while (text[at] === ",") {
      at++;
      row.push(cell());
    }
    if (text.slice(at, at + 2) !== "\r\n") throw new Error(`no end of line at ${at}`);
    at += 2;
    rows.push(row);
  }
  return rows;
}

const awkward = itemOutcome(3, {
  key: 'a "b", c\u2028\u{1F600}.png',
  status: "failed",
  output: null,
  sha256: null,
  errors: ['line one\r\nline "two"', "comma, comma"],
  worker: null,
  plan: null,
  evaluations: null,
  consistency: null,
});

describe("a manifest as CSV", () => {
  it("begins with the names of its columns, and has a line an item", async () => {
    expect(await csvOf([itemOutcome(12, { psnr: 31.25 })])).toBe(
      "index,key,status,output,sha256,errors,generation,deliveries,worker,plan,rounds,evaluations,residual,consistency,psnr,ssim,seconds,at\r\n" +
        `12,12.png,done,12.png,${"ab".repeat(32)},,0,1,worker-1,serial,,4,,0.001,31.25,,0.25,2026-01-02T03:04:05.678Z\r\n`,
    );
    expect(await csvOf([])).toBe(`${manifestColumns.join(",")}\r\n`);
  });

  it("gives back commas, quotes and line breaks", async () => {
    const [, row] = parseCsv(await csvOf([awkward]));
    expect(row?.[1]).toBe(awkward.key);
    expect(JSON.parse(row?.[5] ?? "")).toEqual(awkward.errors);
    expect([row?.[3], row?.[8], row?.[15]]).toEqual(["", "", ""]);
  });

  it("has as many cells as columns in every line, and the keys in them, whatever those are", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: "grapheme", minLength: 1 })), async (keys) => {
        const [, ...rows] = parseCsv(await csvOf(keys.map((key, index) => itemOutcome(index, { key }))));
        expect(rows.map((row) => row[1])).toEqual(keys);
        for (const row of rows) expect(row).toHaveLength(manifestColumns.length);
      }),
    );
  });
});

describe("a manifest as JSON Lines", () => {
  it("has an object a line with the columns in their order, and nothing lost", async () => {
    const outcomes = [itemOutcome(0), awkward];
    const lines = (await jsonOf(outcomes)).split("\n");
    expect(lines.pop()).toBe("");
    const objects = lines.map((line) => JSON.parse(line) as object);
    expect(objects).toEqual(outcomes);
    for (const object of objects) expect(Object.keys(object)).toEqual(manifestColumns);
    expect(await jsonOf([])).toBe("");
  });
});

describe("the chunks of a manifest", () => {
  it("hold many lines each, all of them whole, and are made as they are asked for", async () => {
    let made = 0;
    async function* many(): AsyncGenerator<StandingOutcome> {
      for (; made < 2000; made++) yield itemOutcome(made) as StandingOutcome;
    }
    const chunks = manifestJsonLines(many())[Symbol.asyncIterator]();
    const first = await chunks.next();
    expect(made).toBeGreaterThan(50);
    expect(made).toBeLessThan(500);
    expect(first.value).toMatch(/\n$/);
    const all = await chunksOf(manifestCsv(each(Array.from({ length: 2000 }, (_, i) => itemOutcome(i)))));
    expect(all.length).toBeGreaterThan(3);
    for (const chunk of all) expect(chunk).toMatch(/\r\n$/);
    expect(parseCsv(all.join(""))).toHaveLength(2001);
  });
});
