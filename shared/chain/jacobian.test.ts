import { describe, expect, it } from "vitest";
import { noiseLevel, noiseSchedule } from "../diffusion/noise-schedule.js";
import { stepCoefficients } from "../diffusion/step.js";
import { heldNoiseJacobian, heldPictureJacobian, secantJacobian } from "./jacobian.js";

const schedule = noiseSchedule({ steps: 10, start: 1000, spacing: "uniform" });
const steps = Array.from({ length: 10 }, (_, step) => step);
const weights = { etw: 0.3, nw: 0.2 };
const largestFactor = (step: number) => Math.sqrt(schedule.signal[step + 1] / schedule.signal[step]);

/** f_i in a coordinate of the null space, with the noise estimate a function of the state. */
const stepInNull = (step: number, z: number, eps: (z: number) => number) => {
  const c = stepCoefficients(schedule, step, 1, weights);
  return c.state * z + c.noiseEstimate * eps(z);
};

describe("heldNoiseJacobian", () => {
  it.each(steps)("is the slope of step %i with the noise estimate held: 0 in the range", (step) => {
    const j = heldNoiseJacobian(schedule, step, weights);
    expect(j.range).toBe(0);
    const held = () => 0.7;
    const slope = stepInNull(step, 1.5, held) - stepInNull(step, 0.5, held);
    expect(Math.abs(j.null - slope)).toBeLessThan(1e-12);
    expect(j.null).toBe(largestFactor(step));
  });
});

describe("heldPictureJacobian", () => {
  it.each(steps)("is the slope of step %i with the predicted picture held, for DDIM", (step) => {
    const x0 = 0.4;
    const ddim = { etw: 0, nw: 0 };
    const c = stepCoefficients(schedule, step, 1, ddim);
    const eps = (z: number) => (z - Math.sqrt(schedule.signal[step]) * x0) / noiseLevel(schedule, step);
    const f = (z: number) => c.state * z + c.noiseEstimate * eps(z);
    const j = heldPictureJacobian(schedule, step);
    expect(Math.abs(j.null - (f(1.5) - f(0.5)))).toBeLessThan(1e-12);
    expect(j.range).toBe(j.null);
    expect(j.null).toBeGreaterThanOrEqual(0);
    expect(j.null).toBeLessThan(1);
  });

  it("is 0 for the last step: the restored picture is the predicted one", () => {
    expect(heldPictureJacobian(schedule, 9)).toEqual({ range: 0, null: 0 });
  });
});

describe("secantJacobian", () => {
  const previous = { range: 0.11, null: 0.22 };
  const of = (dzdf: number, dzdz: number) =>
    secantJacobian(schedule, 4, { range: { dzdf, dzdz }, null: { dzdf: 2 * dzdf, dzdz } }, previous);

  it("is the slope of the last move, part by part", () => {
    const found = of(0.3, 1);
    expect(found.range).toBeCloseTo(0.3, 12);
    expect(found.null).toBeCloseTo(0.6, 12);
  });

  it("finds the exact slope of an affine step", () => {
    const eps = (z: number) => 0.2 * z + 0.1;
    const dz = -0.37;
    const df = stepInNull(4, 1 + dz, eps) - stepInNull(4, 1, eps);
    const products = { dzdf: dz * df, dzdz: dz * dz };
    expect(secantJacobian(schedule, 4, { range: products, null: products }, previous).null).toBeCloseTo(
      df / dz,
      10,
    );
  });

  it("is clipped to [0, sqrt(abar' / abar)]", () => {
    expect(of(-0.5, 1)).toEqual({ range: 0, null: 0 });
    expect(of(50, 1)).toEqual({ range: largestFactor(4), null: largestFactor(4) });
  });

  it("stands as it was where the state did not move", () => {
    expect(of(0, 0)).toEqual(previous);
  });
});
