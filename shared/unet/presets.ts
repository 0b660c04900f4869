/**
 * Architectures of the published checkpoints people restore with.
 *
 * Sources: openai/guided-diffusion, README (256x256_diffusion_uncond.pt); ermongroup/SDEdit, configs/celeba.yml
 * (celeba_hq.ckpt); DPS2022/diffusion-posterior-sampling, configs/model_config.yaml (ffhq_10m.pt).
 */
import type { Architecture } from "./architecture.js";

const adm256 = {
  family: "adm",
  image_size: 256,
  channel_mult: [1, 1, 2, 2, 4, 4],
  num_head_channels: 64,
  use_scale_shift_norm: true,
  resblock_updown: true,
  conv_resample: true,
  learn_sigma: true,
  use_new_attention_order: false,
} as const;

/** Architectures by the names `--arch` takes. */
export const presets = {
  /** 552,814,086 parameters in 566 tensors; attention at 32, 16 and 8. */
  "adm-256-uncond": {
    ...adm256,
    channel_mult: [...adm256.channel_mult],
    model_channels: 256,
    num_res_blocks: 2,
    attention_levels: [3, 4, 5],
  },
  /** 113,673,219 parameters in 450 tensors; attention at 16. */
  "celebahq-256": {
    family: "ddpm",
    image_size: 256,
    ch: 128,
    ch_mult: [1, 1, 2, 2, 4, 4],
    num_res_blocks: 2,
    attention_levels: [4],
    resamp_with_conv: true,
    out_ch: 3,
  },
  /** Attention at 16. */
  "ffhq-10m": {
    ...adm256,
    channel_mult: [...adm256.channel_mult],
    model_channels: 128,
    num_res_blocks: 1,
    attention_levels: [4],
  },
} satisfies Record<string, Architecture>;

/** Names of presets. */
export type PresetName = keyof typeof presets;

/** True for the name of a preset. */
export const isPresetName = (name: string): name is PresetName => Object.hasOwn(presets, name);
