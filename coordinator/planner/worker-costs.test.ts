import { readdir } from "node:fs/promises";
import { afterAll, describe, expect, it } from "vitest";
import { inProcessFleet } from "../../test/in-process-fleet.js";
import { SleepingFleet } from "../../test/sleeping-fleet.js";
import { temporaryFolder } from "../../test/small-pictures.js";
import type { Fleet } from "../fleet.js";
import { cacheFolder, curvesOf, learnCosts, measuredSize, workerCosts } from "./worker-costs.js";

const signal = new AbortController().signal;
const size = { height: 64, width: 64 };
const point = (batch: number, seconds: number) => ({ batch, ...size, seconds, calls: 3 });

/** Two workers, the second half as fast, that count how often they measure. */
async function countedFleet(): Promise<{ fleet: Fleet; measured: () => number }> {
  let measured = 0;
  const fleet = await inProcessFleet(2);
  const measure = async () => {
    measured++;
    return [
      [point(1, 1), point(4, 2)],
      [point(1, 2), point(4, 4)],
    ];
  };
  return { fleet: { ...fleet, measure }, measured: () => measured };
}

describe("workerCosts", () => {
  it("measures once, and knows after that", async () => {
    const { fleet, measured } = await countedFleet();
    const question = { fleet, runtime: "1.0", size, folder: await temporaryFolder(), measure: true, signal };
    const first = await workerCosts(question);
    expect(first?.source).toBe("measured");
    expect(first?.curves.map((cost) => cost(4))).toEqual([2, 4]);
    const again = await workerCosts({ ...question, measure: false });
    expect(again?.source).toBe("cached");
    expect(again?.curves.map((cost) => cost(4))).toEqual([2, 4]);
    expect(measured()).toBe(1);
    expect(await readdir(`${question.folder}/costs`)).toHaveLength(1);
  });

  it("forgets what it knows for another model, runtime, size, or other workers", async () => {
    const { fleet, measured } = await countedFleet();
    const question = { fleet, runtime: "1.0", size, folder: await temporaryFolder(), measure: true, signal };
    await workerCosts(question);
    const [worker] = fleet.workers();
    const others = [
      { runtime: "1.1" },
      { size: { height: 32, width: 64 } },
      { fleet: { ...fleet, network: { ...fleet.network, hash: "another" } } },
      { fleet: { ...fleet, workers: () => [worker, { ...worker, threads: 2 }] } },
      { fleet: { ...fleet, workers: () => [worker, { ...worker, device: "cuda:0" }] } },
    ];
    for (const other of others) await workerCosts({ ...question, ...other });
    expect(measured()).toBe(1 + others.length);
  });

  it("learns from the calls of a run, batch by batch", async () => {
    const { fleet } = await countedFleet();
    const question = { fleet, runtime: "1.0", size, folder: await temporaryFolder(), signal };
    await workerCosts({ ...question, measure: true });
    const worked = { ...fleet, measure: async () => [[point(4, 3), point(8, 6)], []] };
    await learnCosts({ ...question, fleet: worked });
    const known = await workerCosts({ ...question, measure: false });
    expect(known?.curves.map((cost) => [1, 4, 8].map(cost))).toEqual([
      [1, 3, 6],
      [2, 4, expect.closeTo(20 / 3)],
    ]);
  });

  it("measures nothing it is not asked to, and plans on where the cache cannot be written", async () => {
    const { fleet, measured } = await countedFleet();
    const question = { fleet, runtime: "1.0", size, folder: "/dev/null/none", signal };
    expect(await workerCosts({ ...question, measure: false })).toBeUndefined();
    expect(measured()).toBe(0);
    expect((await workerCosts({ ...question, measure: true }))?.source).toBe("measured");
    expect(await workerCosts({ ...question, fleet: await inProcessFleet(2), measure: true })).toBeUndefined();
  });
});

describe("costs", () => {
  it("of large pictures follow from smaller ones", () => {
    expect(measuredSize({ height: 96, width: 64 }, 8)).toEqual({ height: 96, width: 64 });
    expect(measuredSize({ height: 512, width: 512 }, 8)).toEqual({ height: 128, width: 128 });
    const [cost] = curvesOf([[{ ...point(1, 1), height: 128, width: 128 }]], { height: 512, width: 512 });
    expect(cost(1)).toBe(16);
  });

  it("never fall with the batch", () => {
    const [cost] = curvesOf([[point(1, 1), point(2, 3), point(4, 2)]], size);
    expect([1, 2, 3, 4].map(cost)).toEqual([1, 3, 3, 3]);
  });

  it("lie in the user's cache folder", () => {
    expect(cacheFolder({ XDG_CACHE_HOME: "/c" })).toBe("/c/deqfleet");
    expect(cacheFolder({})).toMatch(/\/\.cache\/deqfleet$/);
    expect(cacheFolder({ XDG_CACHE_HOME: "relative" })).toMatch(/\/\.cache\/deqfleet$/);
  });
});

describe("a worker over gRPC", () => {
  let fleet: SleepingFleet | undefined;
  afterAll(() => fleet?.close());

  it("measures its own curve", async () => {
    fleet = await SleepingFleet.start(2, (batch) => 0.02 + 0.01 * batch);
    const [costs] = await fleet.measure(0.5, { height: 8, width: 8 });
    expect(costs.slice(0, 2).map(({ batch }) => batch)).toEqual([1, 2]);
    for (const { batch, seconds } of costs) {
      expect(seconds).toBeGreaterThanOrEqual(0.019 + 0.01 * batch);
    }
  });
});
