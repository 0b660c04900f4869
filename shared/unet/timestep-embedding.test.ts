import { describe, expect, it } from "vitest";
import { frequencies } from "./timestep-embedding.js";

describe("frequencies", () => {
  it("falls from 1 to 1/10000 over the shifted half (DDPM), and ends before it otherwise (ADM)", () => {
    const ddpm = frequencies({ size: 128, cosineFirst: false, shift: 1 });
    const adm = frequencies({ size: 128, cosineFirst: true, shift: 0 });
    expect([ddpm.length, ddpm[0], adm[0]]).toEqual([64, 1, 1]);
    expect(ddpm[63]).toBeCloseTo(1e-4, 9);
    expect(adm[63] / adm[62]).toBeCloseTo(10_000 ** (-1 / 64), 5);
    expect(adm[63]).toBeGreaterThan(ddpm[63]);
  });
});
