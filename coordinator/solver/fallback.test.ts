import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FallbackWatch } from "./fallback.js";

/** What a watch says of each residual in turn. */
const verdicts = (watch: FallbackWatch, ratios: readonly number[]) =>
  ratios.map((ratio) => watch.observe(ratio));
const mixing = (steps = 25) => new FallbackWatch(steps, false, false);

/** Residuals recorded on the packaged prior: the rises of the first rounds belong to sound runs. */
const sound = {
  "secant, T = 100, sr-average": [21.2, 91.3, 98.9, 22.9, 23.7, 28.4, 15.5, 5.88, 3.32, 0.886],
  "secant, T = 100, inpaint": [25.6, 140, 77.1, 26.6, 42, 77.9, 30.4, 17.5, 20.3, 19.2, 10.2, 3.71, 0.594],
};

describe("FallbackWatch", () => {
  it.each(Object.entries(sound))("lets a sound run be: %s", (_, ratios) => {
    expect(verdicts(mixing(100), ratios).every((reason) => reason === undefined)).toBe(true);
  });

  it("lets any run be whose residuals keep falling", () => {
    const falls = fc.array(fc.double({ min: 0.01, max: 0.98, noNaN: true }), { maxLength: 40 });
    fc.assert(
      fc.property(falls, (factors) => {
        let ratio = 100;
        const ratios = factors.map((factor) => (ratio *= factor));
        expect(verdicts(mixing(), ratios).every((reason) => reason === undefined)).toBe(true);
      }),
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("gives up at %d, in any round", (broken) => {
    expect(verdicts(mixing(), [broken])).toEqual(["not-finite"]);
    expect(verdicts(mixing(), [10, 20, broken])).toEqual([undefined, undefined, "not-finite"]);
  });

  it("gives up what grows a hundredfold beyond its start", () => {
    expect(verdicts(mixing(), [10, 999])).toEqual([undefined, undefined]);
    expect(verdicts(mixing(), [10, 1001])).toEqual([undefined, "diverged"]);
    // From a start that is within tolerance there is nowhere to fall back to.
    expect(verdicts(mixing(), [0.01, 99])).toEqual([undefined, undefined]);
    // In a window, what comes in last is the hardest.
    expect(verdicts(new FallbackWatch(25, false, true), [0.2, 9e5, 1.1e6])).toEqual([
      undefined,
      undefined,
      "diverged",
    ]);
  });

  it("gives up what finds nothing better for long", () => {
    const stalling = [10, 50, 8, 5, 5, 6, 5.5, 7, 5, 5.1, 6, 5];
    const [last, ...before] = verdicts(mixing(), stalling).reverse();
    expect(before.every((reason) => reason === undefined)).toBe(true);
    expect(last).toBe("stalled");
    // Longer chains take longer to move.
    expect(verdicts(mixing(100), stalling).at(-1)).toBeUndefined();
    // While new states come in with every round, the largest residual says nothing of the old ones.
    expect(verdicts(new FallbackWatch(25, false, true), stalling).at(-1)).toBeUndefined();
  });

  it("starts counting anew after a loss", () => {
    const watch = mixing();
    expect(verdicts(watch, [10, 1, 2, 3, 4, 5, 6, 5])).not.toContain("stalled");
    watch.forget();
    expect(verdicts(watch, [9, 10, 9.5, 11, 12, 10, 9.1, 9.2])).not.toContain("stalled");
    expect(watch.observe(9.3)).toBe("stalled");
  });

  it("judges plain iteration by its overflows only", () => {
    const plain = new FallbackWatch(25, true, false);
    const slow = [10, ...new Array<number>(20).fill(900)];
    expect(verdicts(plain, slow).every((reason) => reason === undefined)).toBe(true);
    expect(plain.observe(10_001)).toBe("diverged");
    // What was given up is plain from there on.
    const given = mixing();
    expect(verdicts(given, [10, 1001, 1001, 10_001])).toEqual([undefined, "diverged", undefined, "diverged"]);
  });

  it("knows whether the starting states were better", () => {
    const watch = mixing();
    watch.observe(10);
    expect(watch.worseThanStart(11)).toBe(true);
    expect(watch.worseThanStart(9)).toBe(false);
    expect(watch.worseThanStart(Number.POSITIVE_INFINITY)).toBe(true);
  });
});
