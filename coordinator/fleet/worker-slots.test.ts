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

/** Slots on workers 0, 1, ... */
function slotsOn(workers: number, perCall = limits, chains?: number): WorkerSlots<number> {
  const slots = new WorkerSlots<number>({ chains, ahead: 1 });
  for (let worker = 0; worker < workers; worker++) slots.join(worker, perCall);
  return slots;
}

/** Asks for places; returns those given out so far, in the order of asking. */
function ask<Member>(slots: WorkerSlots<Member>, sides: readonly number[], alone = false, signal = never) {
  const given: (WorkerSlot<Member> | undefined)[] = sides.map(() => undefined);
  const settled = Promise.allSettled(
    sides.map(async (side, i) => {
      given[i] = await slots.acquire(square(side), alone, signal);
    }),
  );
  return { given, settled };
}

const workersOf = (given: readonly (WorkerSlot<number> | undefined)[]) => given.map((slot) => slot?.worker);

describe("a worker holds what fills a call, and one chain more", () => {
  it.each([
    ["of 64x64", 64, 5],
    ["of 32x32, whose number is limited", 32, 5],
    ["of 80x80", 80, 3],
    ["of 256x256, larger than a batch", 256, 2],
  ])("%s", async (_, side, most) => {
    const { given } = ask(
      slotsOn(2),
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

  it.each([
    ["none", 0, 4],
    ["one that is ready, one that is read, one that is written", 3, 7],
  ])("holds ahead %s", async (_, ahead, most) => {
    const slots = new WorkerSlots<number>({ ahead });
    slots.join(0, limits);
    expect(slots.capacity(square(64))).toBe(most);
    // Of pictures larger than a call as many, and the one that is computed.
    expect(slots.capacity(square(256))).toBe(1 + ahead);
  });

  it("whatever the sizes: a call's worth beside the largest, and everybody is served in the end", async () => {
    const sides = fc.constantFrom(16, 32, 64, 72, 96, 256);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ side: sides, alone: fc.boolean() }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 3 }),
        async (chains, workers) => {
          const slots = slotsOn(workers);
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
  const slots = slotsOn(2, limits, 16);
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
  const { given } = ask(slotsOn(1, { pictures: 1, pixels: 1e6 }), [64, 64, 64]);
  await turn();
  expect(workersOf(given)).toEqual([0, 0, undefined]);
  given[0]?.release();
  await turn();
  expect(workersOf(given)).toEqual([0, 0, 0]);
});

it("a chain that wants a worker alone waits until one is empty, and nobody overtakes it", async () => {
  const slots = slotsOn(2);
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
  const slots = slotsOn(1, { pictures: 1, pixels: 1e6 });
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

describe("workers that join and leave", () => {
  it("whoever waits where there is no worker gets the first that joins", async () => {
    const slots = new WorkerSlots<string>();
    const waiting = slots.acquire(square(64), false, never);
    expect(slots.capacity()).toBe(0);
    slots.join("late", limits);
    expect((await waiting).worker).toBe("late");
  });

  it("one that left is given nothing more, and what it held no longer counts when it is back", async () => {
    const slots = slotsOn(1);
    const first = ask(slots, [64, 64]);
    await turn();
    slots.leave(0);
    const second = ask(slots, [64]);
    await turn();
    expect(workersOf(second.given)).toEqual([undefined]);
    slots.join(0, limits);
    await turn();
    expect(workersOf(second.given)).toEqual([0]);
    // Places of its former life are not given back to the new one.
    for (const slot of first.given) slot?.release();
    expect(slots.capacity(square(64))).toBe(4);
  });

  it("each is filled up to its own limits", async () => {
    const slots = new WorkerSlots<string>({ ahead: 1 });
    slots.join("small", { pictures: 1, pixels: 64 * 64 });
    slots.join("large", { pictures: 8, pixels: 8 * 64 * 64 });
    expect(slots.capacity(square(64))).toBe(2 + 9);
    const { given } = ask(
      slots,
      Array.from({ length: 20 }, () => 64),
    );
    await turn();
    expect(given.filter((slot) => slot?.worker === "small")).toHaveLength(2);
    expect(given.filter((slot) => slot?.worker === "large")).toHaveLength(9);
    expect(slots.capacity(square(64))).toBe(0);
  });
});

describe("workers of a cut chain", () => {
  const groupOf = (slots: WorkerSlots<number>, slices: number, signal = never) => {
    const group: { given?: readonly WorkerSlot<number>[] } = {};
    const settled = slots.acquireGroup(slices, signal).then((given) => {
      group.given = given;
    });
    return { group, settled };
  };
  const numbers = (given: readonly WorkerSlot<number>[] | undefined) => given?.map((slot) => slot.worker);

  it("are those with nothing else to do, as many as are wanted or there are", async () => {
    const slots = slotsOn(3);
    const { group } = groupOf(slots, 2);
    await turn();
    expect(numbers(group.given)).toEqual([0, 1]);
    // Neither whole chains nor other cut ones come beside.
    const { given } = ask(slots, [64]);
    await turn();
    expect(workersOf(given)).toEqual([2]);
    expect(slots.capacity(square(64))).toBe(4);
    given[0]?.release();
    for (const slot of group.given ?? []) slot.release();
    const all = groupOf(slots, 25);
    await turn();
    expect(numbers(all.group.given)).toEqual([0, 1, 2]);
  });

  it("are waited for until they are idle, and nobody overtakes", async () => {
    const slots = slotsOn(2);
    const whole = ask(slots, [64]);
    const { group } = groupOf(slots, 2);
    const later = ask(slots, [64]);
    await turn();
    expect(group.given).toBeUndefined();
    expect(workersOf(later.given)).toEqual([undefined]);
    whole.given[0]?.release();
    await turn();
    expect(numbers(group.given)).toEqual([0, 1]);
    expect(workersOf(later.given)).toEqual([undefined]);
  });

  it("are no longer waited for when they leave", async () => {
    const slots = slotsOn(2);
    ask(slots, [64]);
    const { group } = groupOf(slots, 2);
    await turn();
    slots.leave(0);
    await turn();
    expect(numbers(group.given)).toEqual([1]);
  });

  it("are replaced by an idle one, before all who wait", async () => {
    const slots = slotsOn(2);
    const { group } = groupOf(slots, 2);
    await turn();
    expect(slots.replace()).toBeUndefined();
    const { group: next } = groupOf(slots, 2);
    slots.leave(0);
    await turn();
    expect(next.given).toBeUndefined();
    group.given?.[1].release();
    await turn();
    expect(numbers(next.given)).toEqual([1]);
    slots.join(7, limits);
    expect(slots.replace()?.worker).toBe(7);
    expect(slots.replace()).toBeUndefined();
  });

  it("one who gives up waiting lets the others through", async () => {
    const slots = slotsOn(1);
    ask(slots, [64]);
    const stop = new AbortController();
    const { settled } = groupOf(slots, 1, stop.signal);
    const later = ask(slots, [64]);
    stop.abort(new Error("stopped"));
    await expect(settled).rejects.toThrow("stopped");
    await turn();
    expect(workersOf(later.given)).toEqual([0]);
  });
});
