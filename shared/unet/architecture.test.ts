import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { architectureSchemas, levelsAt, sizeMultipleOf } from "./architecture.js";
import { presets } from "./presets.js";

describe("levelsAt", () => {
  it("puts guided-diffusion's resolutions on the levels of a 256x256 network", () => {
    expect(levelsAt([32, 16, 8], 256, 6)).toEqual([3, 4, 5]);
  });

  it("finds the level whose pictures have the resolution, whatever the order", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 7 }), (levels, at) => {
        const imageSize = 512;
        const found = levelsAt([imageSize / 2 ** at, 7], imageSize, levels);
        expect(found).toEqual(at < levels ? [at] : []);
      }),
    );
  });
});

describe("sizeMultipleOf", () => {
  it("halves once a level but the last", () => {
    expect(sizeMultipleOf(presets["adm-256-uncond"])).toBe(32);
    expect(sizeMultipleOf({ ...presets["celebahq-256"], ch_mult: [1, 2] })).toBe(2);
  });
});

describe("architectureSchemas", () => {
  const refusal = (family: "adm" | "ddpm" | "diffusers", value: unknown) =>
    architectureSchemas[family]
      .safeParse(value)
      .error?.issues.map(({ path, message }) => [path.join("."), message]);
  const adm = presets["adm-256-uncond"];

  it("takes the presets", () => {
    for (const preset of Object.values(presets)) {
      expect(architectureSchemas[preset.family].parse(preset)).toEqual(preset);
    }
  });

  it("refuses heads that do not divide the channels they split", () => {
    expect(refusal("adm", { ...adm, num_head_channels: 48 })?.[0]).toEqual([
      "num_head_channels",
      "does not divide 512 channels",
    ]);
    expect(
      refusal("adm", { ...adm, num_head_channels: undefined, num_heads: 4, num_heads_upsample: 3 })?.[0],
    ).toEqual(["num_heads_upsample", "does not divide 512 channels"]);
  });

  it("refuses channels the 32 groups of the norms do not divide", () => {
    expect(refusal("adm", { ...adm, model_channels: 40 })?.[0][0]).toBe("channel_mult");
    expect(refusal("ddpm", { ...presets["celebahq-256"], ch: 100 })?.[0][0]).toBe("ch");
  });

  it("refuses attention at a level the network does not have", () => {
    expect(refusal("adm", { ...adm, attention_levels: [6] })?.[0]).toEqual([
      "attention_levels",
      "the network has levels 0 to 5",
    ]);
  });
});
