import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../errors.js";
import { canvasSize, cropTo, padReflect } from "./pad.js";

describe("canvasSize", () => {
  it("rounds up to multiples and keeps what is one", () => {
    expect(canvasSize({ height: 65, width: 128 }, 32)).toEqual({ height: 96, width: 128 });
    expect(canvasSize({ height: 1, width: 31 }, 1)).toEqual({ height: 1, width: 31 });
  });
});

describe("padReflect", () => {
  it("repeats the edge, then runs back", () => {
    const padded = padReflect(
      Float32Array.of(1, 2, 3),
      { channels: 1, height: 1, width: 3 },
      { height: 1, width: 5 },
    );
    expect([...padded]).toEqual([1, 2, 3, 3, 2]);
  });

  it("keeps bouncing when the target is many times larger", () => {
    const padded = padReflect(
      Float32Array.of(1, 2),
      { channels: 1, height: 2, width: 1 },
      { height: 9, width: 1 },
    );
    expect([...padded]).toEqual([1, 2, 2, 1, 1, 2, 2, 1, 1]);
  });

  it("pads each channel by itself, in both directions", () => {
    const values = Float32Array.of(1, 2, 3, 4, 10, 20, 30, 40);
    const padded = padReflect(values, { channels: 2, height: 2, width: 2 }, { height: 3, width: 3 });
    expect([...padded]).toEqual([1, 2, 2, 3, 4, 4, 3, 4, 4, 10, 20, 20, 30, 40, 40, 30, 40, 40]);
  });

  it("keeps masks as bytes", () => {
    const padded = padReflect(
      Uint8Array.of(1, 0),
      { channels: 1, height: 1, width: 2 },
      { height: 1, width: 4 },
    );
    expect(padded).toEqual(Uint8Array.of(1, 0, 0, 1));
  });

  it("refuses smaller targets and values of another shape", () => {
    const shape = { channels: 1, height: 2, width: 2 };
    expect(() => padReflect(new Float32Array(4), shape, { height: 1, width: 4 })).toThrow(InputError);
    expect(() => padReflect(new Float32Array(3), shape, { height: 4, width: 4 })).toThrow("got 3");
  });
});

describe("cropTo", () => {
  it("undoes padding, and every padded pixel mirrors about the edges", () => {
    fc.assert(
      fc.property(
        fc.record({
          channels: fc.integer({ min: 1, max: 3 }),
          height: fc.integer({ min: 1, max: 6 }),
          width: fc.integer({ min: 1, max: 6 }),
        }),
        fc.nat(20),
        fc.nat(20),
        (shape, down, right) => {
          const { channels, height, width } = shape;
          const values = Float32Array.from({ length: channels * height * width }, (_, i) => i);
          const target = { height: height + down, width: width + right };
          const padded = padReflect(values, shape, target);
          expect(cropTo(padded, { channels, ...target }, { height, width })).toEqual(values);
          const columns = [...padded.subarray(0, target.width)];
          for (let x = width; x < target.width; x++) {
            // Walk from the edge one pixel at a time, turning round at either end with the end repeated.
            let [at, step] = [0, 1];
            for (let n = 0; n < x; n++) {
              if (at + step < 0 || at + step >= width) step = -step;
              else at += step;
            }
            expect(columns[x]).toBe(columns[at]);
          }
        },
      ),
    );
  });

  it("refuses a part larger than the picture", () => {
    expect(() =>
      cropTo(new Float32Array(4), { channels: 1, height: 2, width: 2 }, { height: 3, width: 1 }),
    ).toThrow(InputError);
  });
});
