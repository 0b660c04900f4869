import fc from "fast-check";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { axisFromZero, logAxis, panelsSvg } from "./line-plot.js";

const positive = fc.double({ min: 1e-6, max: 1e9, noNaN: true });

describe("axes", () => {
  it("hold all values between their first and last tick", () => {
    fc.assert(
      fc.property(fc.array(positive, { minLength: 1, maxLength: 20 }), (values) => {
        for (const axis of [axisFromZero(values), logAxis(values, 2), logAxis(values, 10)]) {
          expect(axis.at(axis.ticks[0])).toBeCloseTo(0, 6);
          expect(axis.at(axis.ticks.at(-1)!)).toBeCloseTo(1, 6);
          for (const value of values) {
            expect(axis.at(value)).toBeGreaterThan(-1e-6);
            expect(axis.at(value)).toBeLessThan(1 + 1e-6);
          }
        }
        const { ticks } = axisFromZero(values);
        expect(ticks[0]).toBe(0);
        expect(ticks.length).toBeGreaterThanOrEqual(3);
        expect(ticks.length).toBeLessThanOrEqual(6);
      }),
    );
  });

  it("refuse what has no logarithm", () => {
    expect(() => logAxis([1, 0], 10)).toThrow(/^0 has no place/);
  });
});

describe("panelsSvg", () => {
  const series = [
    { name: "<cut> & whole", points: [2, 8, 64].map((x) => ({ x, y: x / 2 })) },
    {
      name: "other",
      points: [
        { x: 1, y: Number.NaN },
        { x: 4, y: 3 },
      ],
    },
  ];
  const panel = { title: "Latency", xLabel: "workers", y: "log", series } as const;

  it("draws a line and a marker a point, labels and a legend, in a picture that renders", async () => {
    const svg = panelsSvg('A "title"', [panel, { ...panel, y: "from zero" }]);
    expect(svg.match(/<polyline/g)).toHaveLength(4);
    // Points that are finite in both panels, and one in the legend for each series.
    expect(svg.match(/<circle/g)).toHaveLength(2 * 3 + 1);
    expect(svg.match(/<polygon/g)).toHaveLength(2 * 1 + 1);
    expect(svg).toContain("&lt;cut&gt; &amp; whole");
    expect(svg).toContain("A &quot;title&quot;");
    expect(svg).not.toContain("NaN");
    const { width, height, channels } = await sharp(Buffer.from(svg)).metadata();
    expect({ width, height }).toEqual({ width: 840, height: 374 });
    const { dominant } = await sharp(Buffer.from(svg)).stats();
    expect(channels).toBeGreaterThanOrEqual(3);
    expect(Math.min(dominant.r, dominant.g, dominant.b)).toBeGreaterThan(240);
  });

  it("says so where there is nothing to show", () => {
    expect(panelsSvg("t", [{ ...panel, series: [] }])).toContain("Latency: nothing to show");
  });
});
