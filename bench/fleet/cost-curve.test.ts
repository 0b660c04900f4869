import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { InputError } from "../../shared/errors.js";
import { costCurve } from "../../shared/fleet/cost-curve.js";
import { readCostPoints } from "./cost-curve.js";

describe("costCurve", () => {
  it("passes through its points, straight between and on beyond them", () => {
    const cost = costCurve([
      { batch: 8, seconds: 2 },
      { batch: 1, seconds: 1 },
      { batch: 4, seconds: 1.2 },
    ]);
    expect([1, 2.5, 4, 6, 8, 12].map(cost)).toEqual(
      [1, 1.1, 1.2, 1.6, 2, 2.8].map((v) => expect.closeTo(v, 12)),
    );
  });

  it("is proportional to the batch where one point is all there is", () => {
    expect(costCurve([{ batch: 1, seconds: 0.035 }])(7)).toBeCloseTo(0.245, 12);
  });

  it.each([
    [[], /batch 1/],
    [[{ batch: 2, seconds: 1 }], /batch 1/],
    [[{ batch: 1, seconds: 0 }], /batch 1: 0 s/],
    [
      [
        { batch: 1, seconds: 1 },
        { batch: 1, seconds: 2 },
      ],
      /twice/,
    ],
  ])("refuses %j", (points, message) => {
    expect(() => costCurve(points)).toThrow(InputError);
    expect(() => costCurve(points)).toThrow(message);
  });
});

it("reads curves from files, and says what it needs of them", async () => {
  const folder = await mkdtemp(join(tmpdir(), "deqfleet-cost-"));
  try {
    const path = join(folder, "cost.json");
    await writeFile(path, '[{"batch": 1, "seconds": 0.01}, {"batch": 8, "seconds": 0.02}]');
    expect(await readCostPoints(path)).toHaveLength(2);
    await writeFile(path, '{"batch": 1}');
    await expect(readCostPoints(path)).rejects.toThrow(/cost\.json.*needed: \[\{"batch"/s);
    await expect(readCostPoints(join(folder, "none.json"))).rejects.toThrow(InputError);
  } finally {
    await rm(folder, { recursive: true });
  }
});
