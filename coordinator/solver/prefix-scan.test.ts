import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import type { StepJacobian } from "../../shared/chain/jacobian.js";
import * as reference from "../../shared/kernels/state-reference.js";
import { type StateSpace, stateSize } from "../../shared/kernels/state-space.js";
import { norm, relativeDistance, seededValues } from "../../test/seeded-values.js";
import { operatorOf, taskSamples } from "../../test/task-samples.js";
import { PrefixScan } from "./prefix-scan.js";

const factor = fc.double({ min: 0, max: 2, noNaN: true });

describe("PrefixScan", () => {
  const scan = new PrefixScan();
  afterAll(() => scan.release());

  /** One step of the scan, as a chain of two slices would make it. */
  const advance = async (
    entry: Float32Array | undefined,
    s: Float32Array,
    transfer: StepJacobian,
    space: StateSpace,
  ) => {
    const chain = await scan.open(space, 2);
    const exit = (await chain.advance(1, entry, s, transfer)).slice();
    chain.close();
    return exit;
  };

  describe.each(taskSamples)("for $name", (sample) => {
    const operator = operatorOf(sample);
    const size = stateSize(operator);

    it("is delta_q = D delta_p + s, with one factor in the range and one in the null space", async () => {
      await fc.assert(
        fc.asyncProperty(factor, factor, fc.nat(), async (range, rest, seed) => {
          const [entry, s] = [seededValues(size, seed), seededValues(size, seed + 1)];
          const exit = await advance(entry, s, { range, null: rest }, operator);
          const inRange = reference.project(operator, entry);
          const expected = s.map((v, i) => range * inRange[i] + rest * (entry[i] - inRange[i]) + v);
          expect(exit.length).toBe(size);
          expect(norm(exit.map((v, i) => v - expected[i]))).toBeLessThan(3e-6 * norm(entry) + 1e-6 * norm(s));
        }),
        { numRuns: 8 },
      );
    });

    it("composes: advancing over two slices is advancing over their composition", async () => {
      const [entry, s1, s2] = [2, 3, 4].map((seed) => seededValues(size, seed));
      const first = { range: 0.3, null: 1.1 };
      const second = { range: 0.8, null: 0.6 };
      const between = await advance(entry, s1, first, operator);
      const twice = await advance(between, s2, second, operator);
      const composed = { range: first.range * second.range, null: first.null * second.null };
      const s = await advance(s1, s2, second, operator);
      expect(relativeDistance(await advance(entry, s, composed, operator), twice)).toBeLessThan(3e-6);
    });

    it("is s where the entry state is final", async () => {
      const s = seededValues(size, 5);
      expect(await advance(undefined, s, { range: 1, null: 1 }, operator)).toEqual(s);
    });
  });

  it("keeps the corrections of all slices of a chain until each one's next, and those of other chains apart", async () => {
    const space = operatorOf(taskSamples[0]);
    const size = stateSize(space);
    const transfer = { range: 0.5, null: 0.25 };
    const [one, two] = [await scan.open(space, 3), await scan.open(space, 3)];
    const s = [8, 9, 10].map((seed) => seededValues(size, seed));
    const first = await one.advance(0, undefined, s[0], transfer);
    const other = await two.advance(0, undefined, s[2], transfer);
    const second = await one.advance(1, first, s[1], transfer);
    expect(first).toEqual(s[0]);
    expect(other).toEqual(s[2]);
    expect(second).toEqual(await advance(s[0], s[1], transfer, space));
    // A closed chain's memory may serve the next one.
    one.close();
    const next = await scan.open(space, 3);
    expect(await next.advance(2, s[0], s[1], transfer)).toEqual(await advance(s[0], s[1], transfer, space));
    expect(other).toEqual(s[2]);
    next.close();
    two.close();
  });

  it("serves more spaces than it keeps, in any order, and many at once", async () => {
    const operators = taskSamples.map(operatorOf);
    const advanced = [...operators, ...operators.toReversed()].map(async (operator) => {
      const [entry, s] = [6, 7].map((seed) => seededValues(stateSize(operator), seed));
      const exit = await advance(entry, s, { range: 0.5, null: 0.5 }, operator);
      expect(
        relativeDistance(
          exit,
          s.map((v, i) => v + 0.5 * entry[i]),
        ),
      ).toBeLessThan(1e-6);
    });
    await Promise.all(advanced);
  });
});
