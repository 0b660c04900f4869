import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ItemOutcome } from "../../shared/jobs/work-item.js";
import { itemOutcome } from "../../test/job-samples.js";
import { Tally } from "./tally.js";

const tallyOf = (...lines: ItemOutcome[]) => {
  const tally = new Tally();
  for (const line of lines) tally.apply(line);
  return tally;
};

describe("Tally", () => {
  it("counts the first outcome of an item only", () => {
    const tally = tallyOf(itemOutcome(3, { status: "failed" }), itemOutcome(3), itemOutcome(5));
    expect(tally.byStatus).toEqual({ done: 1, failed: 1, dead: 0, dropped: 0 });
    expect([tally.status(3), tally.status(4), tally.status(5)]).toEqual(["failed", undefined, "done"]);
    expect(tally.counts(itemOutcome(3))).toBe(false);
  });

  it("takes an item back when it is requeued, and counts what came of that", () => {
    const failed = itemOutcome(0, { status: "failed" });
    const requeued = itemOutcome(0, { status: "requeued", generation: 1 });
    const tally = tallyOf(failed, requeued);
    expect(tally.ended).toBe(0);
    expect([tally.has(0, 0), tally.has(0, 1)]).toEqual([false, false]);
    expect(tally.requeuedIn(1)).toBe(1);
    // A delivery of the first generation that was still under way comes too late.
    tally.apply(itemOutcome(0));
    expect(tally.ended).toBe(0);
    tally.apply(itemOutcome(0, { generation: 1 }));
    expect([tally.has(0, 0), tally.has(0, 1), tally.has(0, 2)]).toEqual([true, true, false]);
    expect(tally.byStatus).toEqual({ done: 1, failed: 0, dead: 0, dropped: 0 });
  });

  it("is not misled by a requeued line that was recorded after the outcome it led to", () => {
    const tally = tallyOf(
      itemOutcome(0, { status: "dead" }),
      itemOutcome(0, { generation: 1 }),
      itemOutcome(0, { status: "requeued", generation: 1 }),
    );
    expect(tally.byStatus).toEqual({ done: 1, failed: 0, dead: 0, dropped: 0 });
    expect(tally.requeuedIn(1)).toBe(1);
  });

  it("keeps the errors of an item until it has an outcome, those of one generation only", () => {
    const tally = tallyOf(itemOutcome(2, { status: "retried", errors: ["worker lost"] }));
    expect([tally.errorsOf(2, 0), tally.errorsOf(2, 1)]).toEqual([["worker lost"], []]);
    tally.apply(itemOutcome(2, { status: "retried", errors: ["worker lost", "timed out"] }));
    expect(tally.errorsOf(2, 0)).toEqual(["worker lost", "timed out"]);
    expect(tally.ended).toBe(0);
    tally.apply(itemOutcome(2));
    expect(tally.errorsOf(2, 0)).toEqual([]);
    tally.apply(itemOutcome(2, { status: "retried", errors: ["late"] }));
    expect(tally.errorsOf(2, 0)).toEqual([]);
  });

  it("knows which deliveries were returned, each once, and no errors less for it", () => {
    const returned = (deliveries: number) => itemOutcome(2, { status: "returned", deliveries });
    const tally = tallyOf(
      returned(1),
      itemOutcome(2, { status: "retried", errors: ["lost"], deliveries: 2 }),
    );
    for (const delivery of [3, 1, 3]) tally.apply(returned(delivery));
    expect([1, 2, 3, 4].map((delivery) => tally.returnedBefore(2, 0, delivery))).toEqual([0, 1, 1, 2]);
    expect(tally.errorsOf(2, 0)).toEqual(["lost"]);
    expect(tally.returnedBefore(2, 1, 4)).toBe(0);
    tally.apply(itemOutcome(2));
    expect(tally.returnedBefore(2, 0, 4)).toBe(0);
  });

  it("measures the rate over the last minute", () => {
    const at = (second: number) => new Date(1_700_000_000_000 + second * 1000).toISOString();
    const tally = new Tally();
    for (let i = 0; i < 200; i++) tally.apply(itemOutcome(i, { at: at(i / 2) }));
    const now = Date.parse(at(99.9));
    expect(tally.rate(now)).toBeCloseTo(2, 6);
    expect(tally.rate(now + 30_000)).toBeCloseTo(1, 6);
    expect(tally.rate(now + 3_600_000)).toBe(0);
  });

  it("knows the same after reading any part of the log again", () => {
    const notes = ["retried", "returned"];
    const line = fc.record({
      index: fc.nat(4),
      generation: fc.nat(2),
      deliveries: fc.integer({ min: 1, max: 3 }),
      status: fc.constantFrom("done", "failed", "dead", "dropped", "requeued", "retried", "returned"),
    });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), fc.nat(30), (lines, from) => {
        const log = lines
          .filter(({ status, generation }) => status !== "requeued" || generation > 0)
          .map(({ index, ...rest }) => itemOutcome(index, rest as Partial<ItemOutcome>));
        const once = tallyOf(...log);
        const again = tallyOf(...log, ...log.slice(from));
        const seen = (tally: Tally) => [
          tally.byStatus,
          tally.requeuedIn(1),
          tally.requeuedIn(2),
          [0, 1, 2, 3, 4].map((index) => [tally.status(index), tally.has(index, 1), tally.has(index, 2)]),
          [0, 1, 2, 3, 4].map((index) => [0, 1, 2].map((g) => tally.returnedBefore(index, g, 4))),
        ];
        expect(seen(again)).toEqual(seen(once));
        // Without retries, the first line of each item counts.
        const plain = log.filter(({ generation, status }) => generation === 0 && !notes.includes(status));
        const first = new Map(plain.toReversed().map(({ index, status }) => [index, status]));
        const tally = tallyOf(...plain);
        expect([0, 1, 2, 3, 4].map((index) => tally.status(index))).toEqual(
          [0, 1, 2, 3, 4].map((index) => first.get(index)),
        );
      }),
    );
  });
});
