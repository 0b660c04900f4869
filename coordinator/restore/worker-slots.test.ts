import { setMaxListeners } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { picturesPerCall } from "../../shared/chain/batch-limits.js";
import { type WorkerSlot, WorkerSlots } from "./worker-slots.js";

const never = new AbortController().signal;
setMaxListeners(0, never);
const square = (side: number) => ({ height: side, width: side });
const limits = { pictures: 4, pixels: 4 * 64 * 64 };

/** Asks for places; returns those given out so far, in the order of asking. */
function ask(slots: WorkerSlots, sides: readonly number[], alone = false, signal = never) {
  const given: (WorkerSlot | undefined)[] = sides.map(() => undefined);
  const settled = Promise.allSettled(
    sides.map(async (side, i) => {
      given[i] = await slots.acquire(square(side), alone, signal);
    }),
  );
  return { given, settled };
}

const workersOf = (given: readonly (WorkerSlot | undefined)[]) => given.map((slot) => slot?.worker);

describe("a worker holds what fills a call, and one chain more", () => {
  it.each([
    ["of 64x64", 64, 5],
    ["of 32x32, whose number is limited", 32, 5],
    ["of 80x80", 80, 3],
    ["of 256x256, larger than a batch", 256, 2],
  ])("%s", async (_, side, most) => {
    const { given } = ask(
      new WorkerSlots(2, limits),
      Array.from({ length: 20 }, () => side),
    );
    await turn();
    const workers = workersOf(given);
    expect(workers.filter((worker) => worker === 0)).toHaveLength(most);
    expect(workers.filter((worker) => worker === 1)).toHaveLength(most);
    // They fill up evenly, first come, first served.
    expect(workers.slice(0, 4)).toEqual([0, 1, 0, 1]);
    expect(workers.slice(2 * most).every((worker) => worker === undefined)).toBe(true);
  });

  it("whatever the sizes: a call's worth beside the largest, and everybody is served in the end", async () => {
    const sides = fc.constantFrom(16, 32, 64, 72, 96, 256);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ side: sides, alone: fc.boolean() }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 3 }),
        async (chains, workers) => {
          const slots = new WorkerSlots(workers, limits);
          const running = Array.from({ length: workers }, () => [] as { side: number; alone: boolean }[]);
          const run = async (chain: { side: number; alone: boolean }) => {
            const { worker, release } = await slots.acquire(square(chain.side), chain.alone, never);
            const held = running[worker];
            held.push(chain);
            const shares = held.map(({ side }) => 1 / picturesPerCall(limits, square(side)));
            const beside = shares.reduce((a, b) => a + b) - Math.max(...shares);
            expect(beside).toBeLessThan(2);
            expect(held.length === 1 || held.every(({ alone }) => !alone)).toBe(true);
            await turn();
            held.splice(held.indexOf(chain), 1);
            release();
            release();
          };
          await Promise.all(chains.map(run));
        },
      ),
      { numRuns: 100 },
    );
  });
});

it("the last chains of a run are shared out evenly, though one worker is ahead of the other", async () => {
  const slots = new WorkerSlots(2, limits, 16);
  const { given } = ask(
    slots,
    Array.from({ length: 16 }, () => 64),
  );
  await turn();
  expect(workersOf(given).filter((worker) => worker !== undefined)).toHaveLength(8);
  // Each ends the four of its first call; the other one's still run when the first takes new ones.
  for (const worker of [0, 1]) {
    for (const slot of given.slice(0, 8)) if (slot?.worker === worker) slot.release();
    await turn();
  }
  const workers = workersOf(given);
  expect([0, 1].map((worker) => workers.filter((w) => w === worker).length)).toEqual([8, 8]);
});

it("a place that is given back goes to the next in line", async () => {
  const { given } = ask(new WorkerSlots(1, { pictures: 1, pixels: 1e6 }), [64, 64, 64]);
  await turn();
  expect(workersOf(given)).toEqual([0, 0, undefined]);
  given[0]?.release();
  await turn();
  expect(workersOf(given)).toEqual([0, 0, 0]);
});

it("a chain that wants a worker alone waits until one is empty, and nobody overtakes it", async () => {
  const slots = new WorkerSlots(2, limits);
  const first = ask(slots, [64, 64]);
  const single = ask(slots, [64], true);
  const later = ask(slots, [64, 64]);
  await turn();
  expect(workersOf(single.given)).toEqual([undefined]);
  expect(workersOf(later.given)).toEqual([undefined, undefined]);
  first.given[1]?.release();
  await turn();
  expect(workersOf(single.given)).toEqual([1]);
  expect(workersOf(later.given)).toEqual([0, 0]);
});

it("whoever aborts while waiting leaves the line with the signal's reason", async () => {
  const slots = new WorkerSlots(1, { pictures: 1, pixels: 1e6 });
  const first = ask(slots, [64, 64]);
  const stop = new AbortController();
  const single = ask(slots, [64], true, stop.signal);
  const later = ask(slots, [64]);
  await turn();
  stop.abort(new Error("stopped"));
  expect(await single.settled).toMatchObject([{ status: "rejected", reason: { message: "stopped" } }]);
  first.given[0]?.release();
  await turn();
  expect(workersOf(later.given)).toEqual([0]);
  await expect(slots.acquire(square(64), false, stop.signal)).rejects.toThrow("stopped");
});
