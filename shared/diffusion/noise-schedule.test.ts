import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../errors.js";
import { noiseLevel, noiseSchedule, residualScale, type ScheduleSettings } from "./noise-schedule.js";

const uniform = (steps: number, start = 1000) => noiseSchedule({ steps, start, spacing: "uniform" });
const quad = (steps: number, start = 1000) => noiseSchedule({ steps, start, spacing: "quad" });

/** Python's range(0, stop, step). */
function range(stop: number, step: number): number[] {
  const values: number[] = [];
  for (let t = 0; t < stop; t += step) values.push(t);
  return values;
}

describe("uniform timesteps", () => {
  it.each([1, 2, 4, 5, 10, 20, 25, 50, 100, 125, 200, 250, 500, 1000])(
    "are the reference's range(0, 1000, 1000 // %i), falling",
    (steps) => {
      const expected = range(1000, Math.floor(1000 / steps));
      expect(uniform(steps).timesteps).toEqual(expected.reverse());
    },
  );

  it.each([3, 7, 15, 30, 60, 300, 999])(
    "are the first %i of the reference's where T does not divide 1000 and it would take more",
    (steps) => {
      const reference = range(1000, Math.floor(1000 / steps));
      expect(reference.length).toBeGreaterThan(steps);
      expect(uniform(steps).timesteps).toEqual(reference.slice(0, steps).reverse());
    },
  );

  it("start below `start`", () => {
    expect(uniform(5, 500).timesteps).toEqual([400, 300, 200, 100, 0]);
    expect(uniform(1, 1).timesteps).toEqual([0]);
  });
});

describe("quad timesteps", () => {
  it("are the truncated squares of an even spread up to sqrt(0.8 start)", () => {
    expect(quad(5).timesteps).toEqual([800, 450, 200, 50, 0]);
    expect(quad(10).timesteps).toEqual([800, 632, 483, 355, 246, 158, 88, 39, 9, 0]);
    expect(quad(1).timesteps).toEqual([0]);
    expect(quad(2, 100).timesteps).toEqual([80, 0]);
  });
});

describe("signal levels", () => {
  it("are the cumulative products of 1 - beta, beta from 1e-4 to 0.02", () => {
    // Computed with decimal arithmetic of 50 digits.
    const every = uniform(1000);
    const abar = (t: number) => every.signal[every.timesteps.indexOf(t)];
    expect(abar(0)).toBeCloseTo(0.9999, 12);
    expect(abar(1)).toBeCloseTo(0.9999 * (1 - (1e-4 + 0.0199 / 999)), 12);
    expect(abar(999)).toBeCloseTo(4.035829765375676e-5, 12);
    expect(abar(500)).toBeCloseTo(0.0777966583650238, 12);
  });

  it("end at 1: the restored picture carries no noise", () => {
    const schedule = uniform(10);
    expect(schedule.signal.length).toBe(11);
    expect(schedule.signal[10]).toBe(1);
    expect(noiseLevel(schedule, 10)).toBe(0);
    expect(noiseLevel(schedule, 0)).toBeCloseTo(Math.sqrt(1 - schedule.signal[0]), 15);
  });
});

describe("residualScale", () => {
  it("is the noise level of the state a step makes, and for the last step that of the state before it", () => {
    const schedule = uniform(4);
    expect([0, 1, 2, 3].map((step) => residualScale(schedule, step))).toEqual(
      [1, 2, 3, 3].map((state) => noiseLevel(schedule, state)),
    );
    expect(residualScale(schedule, 3)).toBeGreaterThan(0);
  });
});

it("any schedule: T timesteps that fall to 0, and signal that rises to 1", () => {
  const settings: fc.Arbitrary<ScheduleSettings> = fc.integer({ min: 1, max: 1000 }).chain((start) =>
    fc.record({
      start: fc.constant(start),
      steps: fc.integer({ min: 1, max: Math.min(start, 200) }),
      spacing: fc.constantFrom("uniform" as const, "quad" as const),
    }),
  );
  fc.assert(
    fc.property(settings, (given) => {
      const { steps, timesteps, signal } = noiseSchedule(given);
      expect(steps).toBe(given.steps);
      expect(timesteps.length).toBe(steps);
      expect(timesteps.at(-1)).toBe(0);
      expect(timesteps.every((t) => Number.isInteger(t) && t >= 0 && t < given.start)).toBe(true);
      // quad repeats timesteps near 0 when they are many.
      expect(
        timesteps.every(
          (t, i) => i === 0 || (given.spacing === "quad" ? t <= timesteps[i - 1] : t < timesteps[i - 1]),
        ),
      ).toBe(true);
      expect(signal.every((v, i) => v > 0 && v <= 1 && (i === 0 || v >= signal[i - 1]))).toBe(true);
    }),
  );
});

describe("noiseSchedule refuses", () => {
  it.each([0, -1, 2.5, 1001, Number.NaN])("--start %d", (start) => {
    expect(() => uniform(1, start)).toThrow(InputError);
    expect(() => uniform(1, start)).toThrow(`--start ${start}`);
  });

  it.each([
    [0, 1000],
    [1.5, 1000],
    [1001, 1000],
    [11, 10],
    [Number.NaN, 1000],
  ])("--steps %d of --start %d", (steps, start) => {
    expect(() => uniform(steps, start)).toThrow(InputError);
    expect(() => uniform(steps, start)).toThrow(
      `--steps ${steps}: must be a whole number from 1 to --start (${start})`,
    );
  });
});
