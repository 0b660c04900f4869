import fc from "fast-check";
import { expect, it } from "vitest";
import { type Process, Queue, Simulation } from "./simulation.js";

it("lets events happen in the order of their times, and of their scheduling where these are equal", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 })), (times) => {
      const simulation = new Simulation();
      const happened: { time: number; order: number; now: number }[] = [];
      for (const [order, time] of times.entries()) {
        simulation.at(time, () => happened.push({ time, order, now: simulation.now }));
      }
      simulation.run();
      const expected = times
        .map((time, order) => ({ time, order, now: time }))
        .sort((a, b) => a.time - b.time || a.order - b.order);
      expect(happened).toEqual(expected);
    }),
  );
});

it("refuses moments that are past or none", () => {
  const simulation = new Simulation();
  simulation.at(2, () => {
    expect(() => simulation.at(1, () => {})).toThrow(RangeError);
    expect(() => simulation.at(Number.NaN, () => {})).toThrow(RangeError);
  });
  simulation.run();
  expect(simulation.now).toBe(2);
});

it("runs processes side by side until the slowest has ended, in whatever way they wait", () => {
  const simulation = new Simulation();
  function* lasting(seconds: number): Process<number> {
    yield simulation.now + seconds;
    return seconds;
  }
  function* handed(): Process<number> {
    // Resumed from within the wait itself, before anything else happens.
    yield (resume) => resume();
    return simulation.now;
  }
  let found: readonly number[] | undefined;
  function* whole(): Process {
    yield 1;
    expect(yield* simulation.all([])).toEqual([]);
    found = yield* simulation.all([lasting(3), lasting(2), handed()]);
  }
  let ended = Number.NaN;
  simulation.start(whole(), () => {
    ended = simulation.now;
  });
  simulation.run();
  expect(found).toEqual([3, 2, 1]);
  expect(ended).toBe(4);
});

it("serves one request after the other", () => {
  const queue = new Queue();
  expect([queue.serve(1, 2), queue.serve(1, 0.5), queue.serve(9, 1)]).toEqual([3, 3.5, 10]);
  expect(queue.busySeconds).toBe(3.5);
});
