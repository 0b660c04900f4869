import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RetryableError } from "../../shared/errors.js";
import { itemOutcome, jobRecord } from "../../test/job-samples.js";
import { temporaryFolder } from "../../test/small-pictures.js";
import { EmbeddedLog } from "./embedded-log/embedded-log.js";
import { type OutcomeLine, type OutcomeSource, standingOutcomes } from "./standing-outcomes.js";

const { signal } = new AbortController();

/** A log that gives these lines, and further ones at each later reading. */
const logOf = (...readings: readonly (readonly OutcomeLine[])[]): OutcomeSource => {
  let reading = 0;
  return {
    async *outcomes(_, { signal: stop }) {
      const lines = readings[Math.min(reading++, readings.length - 1)] ?? [];
      for (const line of lines) {
        if (stop.aborted) return;
        yield line;
      }
    },
  };
};

async function standing(log: OutcomeSource, stop = signal): Promise<OutcomeLine[]> {
  const all: OutcomeLine[] = [];
  for await (const outcome of standingOutcomes(log, "photos", stop)) all.push(outcome);
  return all;
}

const note = (index: number, generation: number, status: string): OutcomeLine => ({
  ...itemOutcome(index, { generation }),
  status,
});

describe("the outcomes that count", () => {
  it("are the first of the highest generation, in the order of the log", async () => {
    const lines = [
      itemOutcome(7, { status: "failed" }),
      itemOutcome(2),
      itemOutcome(7, { status: "dead" }),
      itemOutcome(7, { generation: 1, seconds: 1 }),
      itemOutcome(2, { seconds: 2 }),
      itemOutcome(7, { generation: 1, seconds: 3 }),
      itemOutcome(7),
      itemOutcome(0),
    ];
    expect(await standing(logOf(lines))).toEqual([lines[1], lines[3], lines[7]]);
    expect(await standing(logOf([]))).toEqual([]);
  });

  it("are none of an item that was brought back and has not ended again, and none is a note", async () => {
    const first = itemOutcome(0, { status: "dead" });
    const last = itemOutcome(0, { generation: 1 });
    expect(await standing(logOf([note(1, 0, "retried"), first]))).toEqual([first]);
    expect(await standing(logOf([first, note(0, 1, "requeued")]))).toEqual([]);
    expect(await standing(logOf([first, note(0, 1, "requeued"), last]))).toEqual([last]);
  });

  it("agree with the rule, applied to all of the log at once", async () => {
    const line = fc.record({ index: fc.nat(20), generation: fc.nat(3), seconds: fc.nat(1000) });
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 60 }), async (changes) => {
        const lines = changes.map(({ index, ...change }) => itemOutcome(index, change));
        const expected = lines.filter((one, place) =>
          lines.every(
            (other, at) =>
              other.index !== one.index ||
              other.generation < one.generation ||
              (other.generation === one.generation && at >= place),
          ),
        );
        expect(await standing(logOf(lines))).toEqual(expected);
      }),
    );
  });

  it("are those of one moment, though the log grows meanwhile", async () => {
    const [first, second] = [itemOutcome(0, { status: "failed" }), itemOutcome(1)];
    const grown = [first, second, itemOutcome(0, { generation: 1 }), itemOutcome(2)];
    expect(await standing(logOf([first, second], grown))).toEqual([first, second]);
  });

  it("are never a part of them that looks like all: a log that stops or shrinks is an error", async () => {
    const stop = new AbortController();
    const lines = [itemOutcome(0), itemOutcome(1)];
    const outcomes = standingOutcomes(logOf(lines), "photos", stop.signal);
    expect((await outcomes.next()).value).toEqual(lines[0]);
    stop.abort(new Error("enough"));
    await expect(outcomes.next()).rejects.toThrow("enough");
    await expect(standing(logOf(lines), stop.signal)).rejects.toThrow("enough");
    const shrunk = standing(logOf(lines, lines.slice(1)));
    await expect(shrunk).rejects.toThrow(/photos had 2 lines of outcomes and now has 1/);
    await expect(shrunk).rejects.toBeInstanceOf(RetryableError);
  });

  it("are read from a real log", async () => {
    const log = await EmbeddedLog.open(await temporaryFolder());
    await log.create(jobRecord("photos"));
    await log.record("photos", itemOutcome(1, { status: "dead" }));
    await log.record("photos", itemOutcome(0));
    await log.record("photos", itemOutcome(1, { generation: 1 }));
    expect(await standing(log)).toEqual([itemOutcome(0), itemOutcome(1, { generation: 1 })]);
    await log.close();
  });
});
