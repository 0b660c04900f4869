import { describe, expect, it } from "vitest";
import { drawText, fitText, glyphHeight, textWidth } from "./bitmap-font.js";

const render = (text: string): string[] => {
  const rows = Array.from({ length: glyphHeight }, () => Array<string>(textWidth(text)).fill("."));
  drawText(text, (x, y) => {
    rows[y]![x] = "#";
  });
  return rows.map((row) => row.join(""));
};

describe("drawText", () => {
  it("draws letters as they look", () => {
    expect(render("Fg")).toEqual([
      "#####......",
      "#..........",
      "#......####",
      "####..#...#",
      "#.....#...#",
      "#.....#...#",
      "#......####",
      "..........#",
      ".......###.",
    ]);
  });

  it("has a distinct glyph for every printable character", () => {
    const looks = new Map<string, string>();
    for (let code = 32; code < 127; code++) {
      const character = String.fromCharCode(code);
      const look = render(character).join("\n");
      expect(looks.get(look), `${character} looks like another`).toBeUndefined();
      looks.set(look, character);
    }
    expect(looks.size).toBe(95);
  });

  it("shows question marks for what it does not know", () => {
    expect(render("é\u0007")).toEqual(render("??"));
  });
});

describe("fitText", () => {
  it("keeps what fits and cuts the rest, marked", () => {
    expect(fitText("abcd", textWidth("abcd"))).toBe("abcd");
    const cut = fitText("abcdefgh", textWidth("abcdef"));
    expect(cut).toBe("abcd..");
    expect(textWidth(cut)).toBeLessThanOrEqual(textWidth("abcdef"));
  });
});
