import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromLegacyOrder, joined } from "./attention.js";

const read = (values: readonly number[]) => () => Promise.resolve(Float32Array.from(values));

describe("fromLegacyOrder", () => {
  it("gathers the queries, keys and values of all heads", async () => {
    // Two heads of one channel: q0 k0 v0 q1 k1 v1.
    expect([...(await fromLegacyOrder(read([1, 2, 3, 4, 5, 6]), 2)())]).toEqual([1, 4, 2, 5, 3, 6]);
  });

  it("moves whole rows: each keeps its columns", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        async (heads, width, columns) => {
          const rows = 3 * heads * width;
          const values = Array.from({ length: rows * columns }, (_, i) => i);
          const found = await fromLegacyOrder(read(values), heads)();
          for (let part = 0; part < 3; part++) {
            for (let head = 0; head < heads; head++) {
              for (let channel = 0; channel < width; channel++) {
                const to = ((part * heads + head) * width + channel) * columns;
                const from = ((head * 3 + part) * width + channel) * columns;
                expect([...found.subarray(to, to + columns)]).toEqual(values.slice(from, from + columns));
              }
            }
          }
        },
      ),
    );
  });
});

describe("joined", () => {
  it("puts tensors one behind the other", async () => {
    expect([...(await joined([read([1, 2]), read([3]), read([4, 5])])())]).toEqual([1, 2, 3, 4, 5]);
  });
});
