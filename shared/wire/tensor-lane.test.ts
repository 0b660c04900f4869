/** Tensors through a file that two sides share: real files, both sides in this process. */
import { spawnSync } from "node:child_process";
import { mkdtemp, open, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { seededValues } from "../../test/seeded-values.js";
import { mountTinyDisk, unmountTinyDisk } from "../../test/tiny-disk.js";
import { RetryableError } from "../errors.js";
import { laneFolder, sweepLanes, TensorLane } from "./tensor-lane.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-lane-test-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Both sides of a lane. */
function bothSides(capacity: number): { maker: TensorLane; other: TensorLane; name: string } {
  const made = TensorLane.create(folder, capacity);
  if (!made) throw new Error("no lane could be made");
  const other = TensorLane.open(folder, made.name, capacity);
  if (!other) throw new Error("the lane could not be opened");
  return { maker: made.lane, other, name: made.name };
}

/** Sends a tensor from one side to the other. */
function pass(from: TensorLane, to: TensorLane, values: Float32Array): Float32Array {
  const number = from.write(values);
  if (number === undefined) throw new Error("the lane refused the tensor");
  return to.read(number, values.length);
}

describe("a lane", () => {
  it("passes tensors of any length up to its capacity, both ways, in any order", () => {
    const capacity = 1000;
    const { maker, other } = bothSides(capacity);
    const lengths = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: capacity }), fc.nat()), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(lengths, (tensors) => {
        for (const [back, length, seed] of tensors) {
          const values = seededValues(length, seed);
          const [from, to] = back ? [other, maker] : [maker, other];
          expect(Buffer.from(pass(from, to, values)).equals(Buffer.from(values))).toBe(true);
          expect(pass(from, to, values)).toEqual(values);
        }
      }),
      { numRuns: 30 },
    );
    maker.close();
    other.close();
  });

  it("keeps the two directions apart", () => {
    const { maker, other } = bothSides(4);
    const down = maker.write(Float32Array.of(1, 2, 3, 4));
    const up = other.write(Float32Array.of(5, 6, 7, 8));
    expect([...other.read(down ?? 0, 4)]).toEqual([1, 2, 3, 4]);
    expect([...maker.read(up ?? 0, 4)]).toEqual([5, 6, 7, 8]);
  });

  it("passes not-a-number and infinity as they are", () => {
    const { maker, other } = bothSides(3);
    const values = Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, -0);
    expect([...pass(maker, other, values)]).toEqual([...values]);
  });

  it("sends views of larger arrays, not what lies beside them", () => {
    const { maker, other } = bothSides(2);
    expect([...pass(maker, other, Float32Array.of(1, 2, 3, 4).subarray(1, 3))]).toEqual([2, 3]);
  });

  it("refuses to read a tensor that another has replaced, or that was never written", () => {
    const { maker, other } = bothSides(2);
    const first = maker.write(Float32Array.of(1, 2));
    maker.write(Float32Array.of(3, 4));
    expect(() => other.read(first ?? 0, 2)).toThrow(RetryableError);
    expect(() => other.read(first ?? 0, 2)).toThrow("a lane held tensor 2 where 1 was due");
    expect(() => maker.read(1, 2)).toThrow(RetryableError);
  });

  it("refuses tensors beyond its capacity, which then travel in messages", () => {
    const { maker, other } = bothSides(2);
    expect(maker.write(new Float32Array(3))).toBeUndefined();
    expect(() => other.read(1, 3)).toThrow("a lane for 2 numbers was asked for 3");
  });

  it("refuses tensors once its memory is full", (context) => {
    if (!mountTinyDisk(folder)) return context.skip("mounting a file system is not allowed here");
    try {
      const { maker, other } = bothSides(100_000);
      expect(maker.write(new Float32Array(100_000))).toBeUndefined();
      expect([...pass(maker, other, Float32Array.of(1))]).toEqual([1]);
      maker.close();
      other.close();
    } finally {
      unmountTinyDisk(folder);
    }
  });

  it("does nothing once closed, however often", () => {
    const { maker, other } = bothSides(2);
    const number = maker.write(Float32Array.of(1, 2));
    other.close();
    other.close();
    expect(() => other.read(number ?? 0, 2)).toThrow(RetryableError);
    maker.close();
    expect(maker.write(Float32Array.of(1))).toBeUndefined();
  });
});

describe("the name of a lane", () => {
  it("is gone as soon as the other side has opened it", async () => {
    const { maker, name } = bothSides(2);
    expect(await readdir(folder)).toEqual([]);
    expect(TensorLane.open(folder, name, 2)).toBeUndefined();
    maker.close();
  });

  it("is removed by its maker if nobody came", async () => {
    const made = TensorLane.create(folder, 2);
    expect(await readdir(folder)).toEqual([made?.name]);
    made?.lane.close();
    expect(await readdir(folder)).toEqual([]);
  });

  it("is nobody else's to read", async () => {
    const made = TensorLane.create(folder, 2);
    const file = await open(join(folder, made?.name ?? ""));
    expect((await file.stat()).mode & 0o777).toBe(0o600);
    await file.close();
  });

  it("leads nowhere but to lanes: no path, no other file, no link", async () => {
    await writeFile(join(folder, "secret"), "x");
    const lane = "deqfleet-lane-1-00000000-0000-0000-0000-000000000000";
    await symlink(join(folder, "secret"), join(folder, lane));
    for (const name of ["secret", `../${folder.split("/").at(-1)}/secret`, "", lane]) {
      expect(TensorLane.open(folder, name, 2), name).toBeUndefined();
    }
    expect((await readdir(folder)).sort()).toEqual([lane, "secret"]);
  });

  it("is swept away once its maker has ended, and not before", async () => {
    const made = TensorLane.create(folder, 2);
    const gone = spawnSync(process.execPath, ["-e", ""]).pid;
    const left = `deqfleet-lane-${gone}-00000000-0000-0000-0000-000000000000`;
    for (const name of [left, "something-else"]) await writeFile(join(folder, name), "");
    sweepLanes(folder);
    expect((await readdir(folder)).sort()).toEqual([made?.name, "something-else"].sort());
    made?.lane.close();
  });

  it("cannot be made where there is no folder", () => {
    expect(TensorLane.create(join(folder, "missing"), 2)).toBeUndefined();
  });
});

it("lanes lie in the system's memory folder, where it has one", async () => {
  const found = laneFolder();
  if (process.platform === "linux") expect(found).toBe("/dev/shm");
  if (found) expect(Array.isArray(await readdir(found))).toBe(true);
});
