import { describe, expect, it } from "vitest";
import { diffusersFromConfig } from "./diffusers-config.js";
import { presets } from "./presets.js";
import { expectedTensors, parameterCount } from "./write-network.js";

/** config.json of google/ddpm-celebahq-256. */
const celebahqConfig = {
  _class_name: "UNet2DModel",
  _diffusers_version: "0.0.4",
  act_fn: "silu",
  attention_head_dim: null,
  block_out_channels: [128, 128, 256, 256, 512, 512],
  center_input_sample: false,
  down_block_types: [
    "DownBlock2D",
    "DownBlock2D",
    "DownBlock2D",
    "DownBlock2D",
    "AttnDownBlock2D",
    "DownBlock2D",
  ],
  downsample_padding: 0,
  flip_sin_to_cos: false,
  freq_shift: 1,
  in_channels: 3,
  layers_per_block: 2,
  mid_block_scale_factor: 1,
  norm_eps: 1e-6,
  norm_num_groups: 32,
  out_channels: 3,
  sample_size: 256,
  time_embedding_type: "positional",
  up_block_types: ["UpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"],
};

describe("expectedTensors", () => {
  it.each([
    // The published checkpoints' own numbers; ffhq-10m's as guided-diffusion's create_model counts them.
    ["adm-256-uncond", presets["adm-256-uncond"], 552_814_086, 566],
    ["celebahq-256", presets["celebahq-256"], 113_673_219, 450],
    ["ffhq-10m", presets["ffhq-10m"], 93_563_910, 362],
    ["google/ddpm-celebahq-256", diffusersFromConfig(celebahqConfig, "config.json"), 113_673_219, 450],
  ] as const)("%s has the parameters of its checkpoint", (_, architecture, parameters, tensors) => {
    const expected = expectedTensors(architecture);
    expect(expected).toHaveLength(tensors);
    expect(new Set(expected.map(({ name }) => name)).size).toBe(tensors);
    expect(parameterCount(expected)).toBe(parameters);
  });

  it("names tensors as the sources do", () => {
    const shapes = new Map(
      expectedTensors(presets["adm-256-uncond"]).map(({ name, shape }) => [name, shape]),
    );
    expect(shapes.get("input_blocks.10.1.qkv.weight")).toEqual([1536, 512, 1]);
    expect(shapes.get("output_blocks.2.2.emb_layers.1.weight")).toEqual([2048, 1024]);
    expect(shapes.get("out.2.weight")).toEqual([6, 256, 3, 3]);
  });
});
