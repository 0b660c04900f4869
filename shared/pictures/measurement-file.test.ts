import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InputError, PictureError } from "../errors.js";
import { encodeSafetensors } from "../safetensors.js";
import { readMeasurement, writeMeasurement } from "./measurement-file.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-measurement-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const measurement = {
  task: "cs-hadamard",
  values: Float32Array.of(0.5, -1.25, 3, 4, 5, Number.MIN_VALUE),
  measurement: { channels: 3, height: 1, width: 2 },
  picture: { height: 2, width: 4 },
  settings: JSON.stringify({ ratio: 0.25, note: "größe" }),
};

describe("measurement files", () => {
  it("come back as they were written", async () => {
    const path = join(folder, "sub", "a.safetensors");
    await writeMeasurement(path, measurement);
    expect(await readMeasurement(path)).toEqual(measurement);
    expect(await readdir(join(folder, "sub"))).toEqual(["a.safetensors"]);
  });

  it("are refused when written with values that do not fit", async () => {
    const wrong = { ...measurement, values: new Float32Array(5) };
    await expect(writeMeasurement(join(folder, "a.safetensors"), wrong)).rejects.toThrow(InputError);
    expect(await readdir(folder)).toEqual([]);
  });

  it("fail as pictures, naming the file, when truncated, missing or incomplete", async () => {
    const whole = join(folder, "whole.safetensors");
    await writeMeasurement(whole, measurement);
    const truncated = join(folder, "truncated.safetensors");
    await writeFile(truncated, (await readFile(whole)).subarray(0, -4));
    const y = { shape: [1, 1, 1], values: Float32Array.of(1) };
    const metadata = { task: "t", height: "1", width: "1", settings: "{}" };
    const broken: Record<string, Uint8Array> = {
      "no-y": encodeSafetensors({ x: y }, metadata),
      "no-task": encodeSafetensors({ y }, { height: "1", width: "1", settings: "{}" }),
      "bad-size": encodeSafetensors({ y }, { ...metadata, height: "-3" }),
      "flat-y": encodeSafetensors({ y: { shape: [1, 1, 1, 1], values: y.values } }, metadata),
      "not-finite": encodeSafetensors({ y: { ...y, values: Float32Array.of(Number.NaN) } }, metadata),
    };
    const paths = [truncated, join(folder, "missing.safetensors")];
    for (const [name, bytes] of Object.entries(broken)) {
      paths.push(join(folder, `${name}.safetensors`));
      await writeFile(paths.at(-1)!, bytes);
    }
    for (const path of paths) {
      const reading = readMeasurement(path);
      await expect(reading, path).rejects.toThrow(PictureError);
      await expect(reading, path).rejects.toThrow(path);
    }
  });
});
