import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packageRoot } from "../package-root.js";
import { presets } from "./presets.js";
import { networkFromDocument, readArchitecture } from "./read-architecture.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-arch-"));
});
afterAll(() => rm(folder, { recursive: true }));

const write = async (name: string, text: string): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
};

const inPackage = (path: string): string => fileURLToPath(new URL(path, packageRoot));

/** The FFHQ network in guided-diffusion's flag names, as DPS keeps it. */
const ffhqFlags = `
image_size: 256
num_channels: 128
num_res_blocks: 1
channel_mult: ""
learn_sigma: True
class_cond: False
use_checkpoint: False
attention_resolutions: 16
num_heads: 4
num_head_channels: 64
num_heads_upsample: -1
use_scale_shift_norm: True
dropout: 0.0
resblock_updown: True
use_fp16: False
use_new_attention_order: False
model_path: models/ffhq_10m.pt
`;

const celebaSections = `
data:
    dataset: "CelebA_HQ"
    image_size: 256
    channels: 3
model:
    type: "simple"
    in_channels: 3
    out_ch: 3
    ch: 128
    ch_mult: [1, 1, 2, 2, 4, 4]
    num_res_blocks: 2
    attn_resolutions: [16, ]
    dropout: 0.0
    var_type: fixedsmall
    ema_rate: 0.999
    ema: True
    resamp_with_conv: True
diffusion:
    beta_schedule: linear
    beta_start: 0.0001
    beta_end: 0.02
    num_diffusion_timesteps: 1000
sampling:
    batch_size: 8
`;

describe("readArchitecture", () => {
  it("reads guided-diffusion's flags: DPS's file is the preset ffhq-10m", async () => {
    const { architecture, schedule } = await readArchitecture(await write("ffhq.yaml", ffhqFlags));
    expect(architecture).toEqual(presets["ffhq-10m"]);
    expect(schedule).toBeUndefined();
  });

  it("reads resolutions as the scripts' text, and their other defaults", async () => {
    const flags =
      'image_size: 256\nnum_channels: 256\nattention_resolutions: "32,16,8"\nresblock_updown: true\nlearn_sigma: true\nnum_head_channels: 64';
    const { architecture } = await readArchitecture(await write("adm.yaml", flags));
    expect(architecture).toEqual(presets["adm-256-uncond"]);
  });

  it("reads SDEdit's sections with their schedule", async () => {
    const { architecture, schedule } = await readArchitecture(await write("celeba.yml", celebaSections));
    expect(architecture).toEqual(presets["celebahq-256"]);
    expect(schedule).toEqual({ kind: "linear", timesteps: 1000, beta_start: 1e-4, beta_end: 0.02 });
  });

  it("reads the card of the default prior", async () => {
    const { architecture, prediction } = await readArchitecture(inPackage("models/prior.json"));
    expect(prediction).toBe("v_prediction");
    expect(architecture).toMatchObject({
      family: "adm",
      model_channels: 32,
      channel_mult: [1, 2, 3, 4],
      attention_levels: [],
      num_head_channels: 32,
    });
  });

  it("reads a diffusers config.json", async () => {
    const config = inPackage("test/fixtures/checkpoints/diffusers-celebahq/config.json");
    expect((await readArchitecture(config)).architecture).toMatchObject({
      family: "diffusers",
      attention_head_dim: null,
      downsample_padding: 0,
      flip_sin_to_cos: false,
      freq_shift: 1,
    });
  });

  it("takes its own form, as cards and metadata keep it", async () => {
    for (const [name, architecture] of Object.entries(presets)) {
      expect(await readArchitecture(name)).toEqual({ architecture });
      expect(networkFromDocument({ family: architecture.family, architecture }, "card")).toEqual({
        architecture,
      });
    }
    const described = await readArchitecture(
      inPackage("test/fixtures/checkpoints/diffusers-celebahq/config.json"),
    );
    expect(networkFromDocument(described.architecture, "again")).toEqual(described);
  });

  it("scales the betas of other numbers of steps as guided-diffusion does", async () => {
    const flags = "num_channels: 32\nimage_size: 64\ndiffusion_steps: 4000\nnoise_schedule: linear";
    expect((await readArchitecture(await write("steps.yaml", flags))).schedule).toEqual({
      kind: "linear",
      timesteps: 4000,
      beta_start: 2.5e-5,
      beta_end: 0.005,
    });
  });

  it.each([
    ["num_channels: wide", /bad\.yaml: num_channels: "wide"/],
    [
      "num_channels: 32\nuse_scale_shift_nrom: true",
      /bad\.yaml: use_scale_shift_nrom: true is no known setting/,
    ],
    [
      "num_channels: 32\nclass_cond: true",
      /bad\.yaml: class_cond: true: class-conditional networks cannot be imported/,
    ],
    ["num_channels: 32\nimage_size: 100", /bad\.yaml: channel_mult: missing: .*image_size 100/],
    ['num_channels: 32\nattention_resolutions: "16;8"', /bad\.yaml: attention_resolutions: "16;8": /],
    ["num_channels: 32\nnum_heads: 5", /bad\.yaml: num_heads: .*does not divide/],
    [celebaSections.replace("ch: 128", "ch: 100"), /bad\.yaml: ch: 100: must be a multiple of 32/],
    [
      celebaSections.replace("in_channels: 3", "in_channels: 6"),
      /bad\.yaml: model\.in_channels: 6: only networks of RGB/,
    ],
    ["_class_name: UNet2DConditionModel", /bad\.yaml: _class_name: "UNet2DConditionModel": only UNet2DModel/],
    [
      "_class_name: UNet2DModel\nclass_embed_type: timestep",
      /class_embed_type: "timestep": class-conditional/,
    ],
    [
      "_class_name: UNet2DModel\ndown_block_types: [AttnSkipDownBlock2D]",
      /down_block_types\.0: "AttnSkipDownBlock2D"/,
    ],
    ["family: resnet", /family: "resnet": cannot tell the family; say family: adm, ddpm or diffusers/],
    ["- 1\n- 2", /expected a mapping/],
    ["a: [1", /is no valid YAML or JSON/],
  ])("refuses %j by file, key and value", async (text, message) => {
    await expect(readArchitecture(await write("bad.yaml", text))).rejects.toThrow(message);
  });

  it("names the presets when there is no such file", async () => {
    await expect(readArchitecture("adm-128")).rejects.toThrow(
      /adm-128: no preset .*adm-256-uncond, celebahq-256, ffhq-10m/,
    );
  });
});
