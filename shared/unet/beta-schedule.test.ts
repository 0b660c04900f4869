import { describe, expect, it } from "vitest";
import { noiseSchedule } from "../diffusion/noise-schedule.js";
import { cumulativeSignal, linearSchedule, scheduleFromScheduler } from "./beta-schedule.js";

describe("cumulativeSignal", () => {
  it("is the chains' own schedule for the linear betas", () => {
    const { signal, timesteps } = noiseSchedule({ steps: 1000, start: 1000, spacing: "uniform" });
    const found = cumulativeSignal(linearSchedule);
    expect(found).toHaveLength(1000);
    for (const [i, t] of timesteps.entries()) expect(found[t]).toBeCloseTo(signal[i], 14);
  });

  it.each([
    // diffusers' alphas_cumprod of DDPMScheduler at 0, 499 and 999.
    ["linear", 0.99989998, 0.078587234, 4.0358304e-5],
    ["scaled_linear", 0.99989998, 0.33318782, 7.3341198e-4],
    ["squaredcos_cap_v2", 0.99995869, 0.49384347, 2.428735e-9],
  ] as const)("agrees with diffusers on %s", (beta_schedule, first, middle, last) => {
    const signal = cumulativeSignal(scheduleFromScheduler({ beta_schedule }, "config").schedule);
    expect(signal[0]).toBeCloseTo(first, 6);
    expect(signal[499] / middle).toBeCloseTo(1, 5);
    expect(signal[999] / last).toBeCloseTo(1, 3);
  });

  it("ends without any signal where the SNR is rescaled", () => {
    const { schedule } = scheduleFromScheduler({ rescale_betas_zero_snr: true }, "config");
    const signal = cumulativeSignal(schedule);
    expect(signal[0]).toBeCloseTo(0.9999, 10);
    expect(signal[999]).toBe(0);
  });

  it("multiplies a list of betas", () => {
    const { schedule } = scheduleFromScheduler({ trained_betas: [0.5, 0.5, 0.75] }, "config");
    expect([...cumulativeSignal(schedule)]).toEqual([0.5, 0.25, 0.0625]);
  });
});

describe("scheduleFromScheduler", () => {
  it("has diffusers' defaults", () => {
    expect(scheduleFromScheduler({}, "config")).toEqual({ prediction: "epsilon", schedule: linearSchedule });
  });

  it("names file, key and value of what it does not know", () => {
    expect(() => scheduleFromScheduler({ prediction_type: "flow" }, "s.json")).toThrow(
      /s\.json: prediction_type: "flow"/,
    );
    expect(() => scheduleFromScheduler({ beta_schedule: "sigmoid" }, "s.json")).toThrow(
      /s\.json: beta_schedule: "sigmoid"/,
    );
  });
});
