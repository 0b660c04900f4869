import { describe, expect, it } from "vitest";
import { MeasuredNetwork, measureCalls } from "./measured-network.js";
import type { NoiseEstimator } from "./network.js";

/** A clock that stands still but for the calls of its network. */
function timedNetwork(
  seconds: (batch: number, call: number) => number,
  fixedSize?: { height: number; width: number },
) {
  let clock = 0;
  let calls = 0;
  const batches: { batch: number; side: number }[] = [];
  const inner: NoiseEstimator = {
    card: { hash: "timed", sizeMultiple: 24, fixedSize },
    evaluate: async (x, timesteps, size, out) => {
      expect(x.length).toBe(3 * timesteps.length * size.height * size.width);
      expect(out.length).toBe(x.length);
      batches.push({ batch: timesteps.length, side: size.height });
      clock += 1000 * seconds(timesteps.length, calls++);
    },
  };
  const now = () => clock;
  return { network: new MeasuredNetwork(inner, now), now, batches };
}

const evaluate = (network: NoiseEstimator, batch: number, side = 8) => {
  const numbers = batch * 3 * side * side;
  const timesteps = Array.from({ length: batch }, () => 1);
  const size = { height: side, width: side };
  return network.evaluate(new Float32Array(numbers), timesteps, size, new Float32Array(numbers));
};

describe("MeasuredNetwork", () => {
  it("tells the median of the latest calls of each batch and size, once", async () => {
    const slow = [9, 1, 2];
    const { network } = timedNetwork((batch, call) => batch * (slow[call] ?? 3));
    for (let i = 0; i < 3; i++) await evaluate(network, 2);
    expect(network.changedCosts()).toEqual([{ batch: 2, height: 8, width: 8, seconds: 4, calls: 3 }]);
    expect(network.changedCosts()).toEqual([]);
    await evaluate(network, 1, 16);
    expect(network.changedCosts()).toEqual([{ batch: 1, height: 16, width: 16, seconds: 3, calls: 1 }]);
    // Old calls are forgotten.
    for (let i = 0; i < 15; i++) await evaluate(network, 2);
    expect(network.changedCosts()).toEqual([{ batch: 2, height: 8, width: 8, seconds: 6, calls: 18 }]);
  });

  it("does not count what a call's first time takes besides", async () => {
    let clock = 0;
    const prepared = new Set<number>();
    const network = new MeasuredNetwork(
      {
        card: { hash: "", sizeMultiple: 1, fixedSize: undefined },
        prepare: async (states) => {
          clock += prepared.has(states) ? 0 : 700;
          prepared.add(states);
        },
        evaluate: async (_, timesteps) => {
          clock += 5 * timesteps.length;
        },
      },
      () => clock,
    );
    await measureCalls(network, 1, () => clock);
    // 0.7 s for every batch are none of the second that was given.
    expect(network.costsOf({ height: 64, width: 64 }).map(({ batch, seconds }) => [batch, seconds])).toEqual([
      [1, 0.005],
      [2, 0.01],
      [4, 0.02],
      [8, 0.04],
      [16, 0.08],
    ]);
  });

  it("a call that failed is no measurement", async () => {
    const failing = new MeasuredNetwork({
      card: { hash: "", sizeMultiple: 1, fixedSize: undefined },
      evaluate: () => Promise.reject(new Error("out of memory")),
    });
    await expect(evaluate(failing, 1)).rejects.toThrow("out of memory");
    expect(failing.changedCosts()).toEqual([]);
  });
});

describe("measureCalls", () => {
  it("doubles the batch while the time reaches, at a size the network takes", async () => {
    const { network, now, batches } = timedNetwork((batch) => 0.1 * batch);
    await measureCalls(network, 2, now);
    // 0.3 s and 0.6 s are spent; batch 4 should take 1.2 s more, which is too long.
    expect(batches.map(({ batch }) => batch)).toEqual([1, 1, 1, 2, 2, 2]);
    expect(batches.every(({ side }) => side === 72)).toBe(true);
    expect(now()).toBeLessThanOrEqual(2000);
    expect(network.changedCosts().map(({ seconds }) => seconds)).toEqual([
      expect.closeTo(0.1, 9),
      expect.closeTo(0.2, 9),
    ]);
  });

  it("does not spend all its time on preparations", async () => {
    let clock = 0;
    const batches: number[] = [];
    const network = new MeasuredNetwork(
      {
        card: { hash: "", sizeMultiple: 1, fixedSize: undefined },
        prepare: async (states) => {
          if (batches.includes(states)) return;
          batches.push(states);
          clock += 4000;
        },
        evaluate: async () => {},
      },
      () => clock,
    );
    await measureCalls(network, 1, () => clock);
    // A third one would pass ten seconds.
    expect(batches).toEqual([1, 2]);
  });

  it("makes one call where even that takes longer, and none where no time is given", async () => {
    const slow = timedNetwork(() => 60, { height: 32, width: 32 });
    await measureCalls(slow.network, 3, slow.now);
    expect(slow.batches).toEqual([{ batch: 1, side: 32 }]);
    const none = timedNetwork(() => 1);
    await measureCalls(none.network, 0, none.now);
    expect(none.batches).toEqual([]);
  });

  it("asks for no more memory at once than a slice may hold", async () => {
    const { network, now, batches } = timedNetwork(() => 0);
    await measureCalls(network, 1, now, { height: 7000, width: 7000 });
    expect(new Set(batches.map(({ batch }) => batch))).toEqual(new Set([1]));
  });

  it("ends at the largest batch", async () => {
    const { network, now, batches } = timedNetwork(() => 0);
    await measureCalls(network, 1, now);
    expect(new Set(batches.map(({ batch }) => batch))).toEqual(new Set([1, 2, 4, 8, 16]));
  });
});
