import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AdmArchitecture, Architecture, DdpmArchitecture } from "./architecture.js";
import { inferArchitecture, inferFamily } from "./infer-architecture.js";
import { presets } from "./presets.js";
import { expectedTensors } from "./write-network.js";

const shapesOf = (architecture: Architecture) =>
  new Map(expectedTensors(architecture).map(({ name, shape }) => [name, { shape }]));

const admArchitectures: fc.Arbitrary<AdmArchitecture> = fc
  .record({
    model_channels: fc.constantFrom(32, 64),
    channel_mult: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }),
    num_res_blocks: fc.integer({ min: 1, max: 3 }),
    levels: fc.subarray([0, 1, 2, 3]),
    use_scale_shift_norm: fc.boolean(),
    resampling: fc.constantFrom("residual", "conv", "pool"),
    learn_sigma: fc.boolean(),
    use_new_attention_order: fc.boolean(),
  })
  .map(({ levels, resampling, ...rest }) => ({
    ...rest,
    family: "adm",
    attention_levels: levels.filter((level) => level < rest.channel_mult.length),
    num_heads: 4,
    resblock_updown: resampling === "residual" && rest.channel_mult.length > 1,
    // With one level nothing is resampled, and with residual blocks the switch has no effect.
    conv_resample: resampling !== "pool" || rest.channel_mult.length === 1,
  }));

const ddpmArchitectures: fc.Arbitrary<DdpmArchitecture> = fc
  .record({
    ch: fc.constantFrom(32, 64),
    ch_mult: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }),
    num_res_blocks: fc.integer({ min: 1, max: 3 }),
    levels: fc.subarray([0, 1, 2, 3]),
    pooled: fc.boolean(),
  })
  .map(({ levels, pooled, ...rest }) => ({
    ...rest,
    family: "ddpm",
    attention_levels: levels.filter((level) => level < rest.ch_mult.length),
    resamp_with_conv: !pooled || rest.ch_mult.length === 1,
    out_ch: 3,
  }));

describe("inferArchitecture", () => {
  it("gives back any ADM architecture from its tensors and the flags of its heads", () => {
    fc.assert(
      fc.property(admArchitectures, (architecture) => {
        const attentionOrder = architecture.use_new_attention_order ? "new" : "legacy";
        const flags = { heads: 4, attentionOrder } as const;
        expect(inferArchitecture(shapesOf(architecture), flags, "file")).toEqual(architecture);
      }),
      { numRuns: 60 },
    );
  });

  it("gives back any DDPM architecture without a flag", () => {
    fc.assert(
      fc.property(ddpmArchitectures, (architecture) => {
        expect(inferArchitecture(shapesOf(architecture), {}, "file")).toEqual(architecture);
      }),
      { numRuns: 60 },
    );
  });

  it("gives back the presets", () => {
    const flags = { headChannels: 64, attentionOrder: "legacy", imageSize: 256 } as const;
    for (const preset of Object.values(presets)) {
      expect(inferArchitecture(shapesOf(preset), flags, "file")).toEqual(preset);
    }
  });

  it("asks for the split and the order of heads by flag", () => {
    const shapes = shapesOf(presets["ffhq-10m"]);
    expect(() => inferArchitecture(shapes, {}, "ffhq.pt")).toThrow(
      /ffhq\.pt: the attention over 512 channels .*give --heads or --head-channels .*--attention-order legacy\|new/,
    );
    expect(() => inferArchitecture(shapes, { headChannels: 64 }, "ffhq.pt")).toThrow(
      /: give --attention-order legacy\|new/,
    );
    expect(() => inferArchitecture(shapes, { attentionOrder: "legacy" }, "ffhq.pt")).toThrow(
      /: give --heads or --head-channels \([^)]*\); or name/,
    );
  });

  it("does not ask for the order of a single head", () => {
    expect(inferArchitecture(shapesOf(presets["ffhq-10m"]), { heads: 1 }, "file")).toMatchObject({
      num_heads: 1,
    });
  });

  it("sends diffusers networks to their config.json", () => {
    const shapes = new Map([["time_embedding.linear_1.weight", { shape: [64, 16] }]]);
    expect(() => inferArchitecture(shapes, {}, "unet.safetensors")).toThrow(
      /unet\.safetensors: .*flip_sin_to_cos, freq_shift.*--arch config\.json/,
    );
  });

  it("refuses class-conditional networks by their tensor", () => {
    const shapes = shapesOf(presets["adm-256-uncond"]).set("label_emb.weight", { shape: [1000, 1024] });
    expect(() => inferFamily(shapes, "cond.pt")).toThrow(
      /cond\.pt: tensor label_emb\.weight \[1000, 1024\]: the network is class-conditional/,
    );
  });

  it("names some tensors where no family fits", () => {
    const shapes = new Map([["layer1.0.conv1.weight", { shape: [64, 3, 7, 7] }]]);
    expect(() => inferFamily(shapes, "resnet.pt")).toThrow(
      /resnet\.pt: no known family .*layer1\.0\.conv1\.weight/,
    );
  });
});
