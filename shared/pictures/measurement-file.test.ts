import { describe, expect, it } from "vitest";
import { InputError, PictureError } from "../errors.js";
import { encodeSafetensors } from "../safetensors.js";
import { decodeMeasurement, encodeMeasurement } from "./measurement-file.js";

const measurement = {
  task: "cs-hadamard",
  values: Float32Array.of(0.5, -1.25, 3, 4, 5, Number.MIN_VALUE),
  measurement: { channels: 3, height: 1, width: 2 },
  picture: { height: 2, width: 4 },
  settings: JSON.stringify({ ratio: 0.25, note: "größe" }),
};

describe("measurement files", () => {
  it("come back as they were encoded", () => {
    expect(decodeMeasurement(encodeMeasurement("a.safetensors", measurement), "a")).toEqual(measurement);
  });

  it("are refused when encoded with values that do not fit", () => {
    const wrong = { ...measurement, values: new Float32Array(5) };
    expect(() => encodeMeasurement("a.safetensors", wrong)).toThrow(InputError);
  });

  it("fail as pictures, naming the file, when truncated or incomplete", () => {
    const y = { shape: [1, 1, 1], values: Float32Array.of(1) };
    const metadata = { task: "t", height: "1", width: "1", settings: "{}" };
    const broken: Record<string, Uint8Array> = {
      truncated: encodeMeasurement("a.safetensors", measurement).subarray(0, -4),
      empty: new Uint8Array(),
      "no-y": encodeSafetensors({ x: y }, metadata),
      "no-task": encodeSafetensors({ y }, { height: "1", width: "1", settings: "{}" }),
      "bad-size": encodeSafetensors({ y }, { ...metadata, height: "-3" }),
      "flat-y": encodeSafetensors({ y: { shape: [1, 1, 1, 1], values: y.values } }, metadata),
      "not-finite": encodeSafetensors({ y: { ...y, values: Float32Array.of(Number.NaN) } }, metadata),
    };
    for (const [name, bytes] of Object.entries(broken)) {
      expect(() => decodeMeasurement(bytes, `${name}.safetensors`)).toThrow(PictureError);
      expect(() => decodeMeasurement(bytes, `${name}.safetensors`)).toThrow(`${name}.safetensors`);
    }
  });
});
