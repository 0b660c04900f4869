import { expect, it } from "vitest";
import { bytesText, countText, largeText, pairsText, settingsText } from "./model-text.js";

it.each([
  [0, "0 bytes"],
  [1023, "1023 bytes"],
  [1024, "1.0 KiB"],
  [2 ** 31, "2.0 GiB"],
  [3 * 2 ** 50, "3072.0 TiB"],
])("prints %d bytes as %s", (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});

it("prints counts as people read them", () => {
  expect(countText(552_814_086)).toBe("552,814,086");
  expect([0, 999_999, 1e6, 1.12e12].map(largeText)).toEqual(["0", "999,999", "1.000 M", "1.120 T"]);
});

it("prints settings in a row, without those that are not set", () => {
  expect(settingsText({ a: [1, 2], b: [], c: undefined, d: null, e: false })).toBe(
    "a 1,2, b none, d null, e false",
  );
});

it("aligns values, several to a name", () => {
  expect(
    pairsText([
      ["a", ["1", "2"]],
      ["long", "3"],
    ]),
  ).toBe("a     1\n      2\nlong  3\n");
});
