/**
 * The architectures deqfleet can write as ONNX graphs: three families of U-Nets of diffusion priors, with the switches
 * their sources have, under the sources' own names. Levels count from 0, full resolution; each level halves the last.
 */
import { z } from "zod";

const count = z.int().min(1).max(65536);
const level = z.int().min(0).max(15);
const flag = z.boolean();

/** Groups of every normalisation of the ADM and DDPM families (nn.GroupNorm(32, channels) in both sources). */
export const normGroups = 32;

const headWidth = ["num_head_channels"] as const;
const headNumbers = ["num_heads", "num_heads_upsample"] as const;

/**
 * The U-Net of openai/guided-diffusion (ADM; Dhariwal and Nichol 2021, arXiv 2105.05233), without class labels.
 * Attention is attached to levels instead of to resolutions: the graph then takes pictures of any size.
 */
const admArchitecture = z
  .strictObject({
    family: z.literal("adm"),
    /** Side of the training pictures; for the record only. */
    image_size: count.optional(),
    model_channels: count,
    channel_mult: z.array(z.number().positive()).min(1).max(12),
    num_res_blocks: count.max(64),
    /** Levels with attention after each residual block; the middle block always has one. */
    attention_levels: z.array(level),
    /** Heads of each attention, unless `num_head_channels` gives their width. */
    num_heads: count.optional(),
    /** Heads of the attentions on the way up; `num_heads` where absent. */
    num_heads_upsample: count.optional(),
    /** Width of a head. Wins over `num_heads`. */
    num_head_channels: count.optional(),
    use_scale_shift_norm: flag,
    resblock_updown: flag,
    conv_resample: flag,
    learn_sigma: flag,
    use_new_attention_order: flag,
  })
  .superRefine((a, context) => {
    const issue = (key: string, message: string) =>
      context.addIssue({ code: "custom", path: [key], message, input: a });
    const widths = a.channel_mult.map((mult) => Math.trunc(mult * a.model_channels));
    if (widths.some((width) => width % normGroups !== 0)) {
      issue("channel_mult", `channels per level ${widths.join(", ")} must be multiples of ${normGroups}`);
    }
    if (a.num_heads === undefined && a.num_head_channels === undefined) {
      issue("num_heads", "give num_heads or num_head_channels");
    }
    if (a.attention_levels.some((l) => l >= widths.length)) {
      issue("attention_levels", `the network has levels 0 to ${widths.length - 1}`);
    }
    // The middle block attends at the last level's width.
    const attended = [...a.attention_levels.map((l) => widths[l] ?? 0), widths.at(-1) ?? 0];
    for (const width of attended.filter((w) => w > 0)) {
      for (const key of a.num_head_channels ? headWidth : headNumbers) {
        if (a[key] !== undefined && width % a[key] !== 0) issue(key, `does not divide ${width} channels`);
      }
    }
  });

/**
 * The U-Net of pytorch_diffusion and SDEdit (Ho et al. 2020, arXiv 2006.11239, in PyTorch by P. Esser): plain norms,
 * one attention head.
 */
const ddpmArchitecture = z
  .strictObject({
    family: z.literal("ddpm"),
    image_size: count.optional(),
    ch: count,
    ch_mult: z.array(count).min(1).max(12),
    num_res_blocks: count.max(64),
    attention_levels: z.array(level),
    resamp_with_conv: flag,
    out_ch: z.union([z.literal(3), z.literal(6)]),
  })
  .superRefine((a, context) => {
    if (a.ch % normGroups !== 0) {
      const message = `must be a multiple of ${normGroups}, the groups of the norms`;
      context.addIssue({ code: "custom", path: ["ch"], message, input: a.ch });
    }
  });

const downBlock = z.enum(["DownBlock2D", "ResnetDownsampleBlock2D", "AttnDownBlock2D"]);
const upBlock = z.enum(["UpBlock2D", "ResnetUpsampleBlock2D", "AttnUpBlock2D"]);
const resampling = z.enum(["conv", "resnet"]);

/** huggingface/diffusers' `UNet2DModel`, without class labels and with positional time embeddings. */
const diffusersArchitecture = z
  .strictObject({
    family: z.literal("diffusers"),
    image_size: count.optional(),
    block_out_channels: z.array(count).min(1).max(12),
    down_block_types: z.array(downBlock),
    up_block_types: z.array(upBlock),
    mid_block: flag,
    /** Attention in the middle block. */
    add_attention: flag,
    layers_per_block: count.max(64),
    /** Width of a head; null for one head. */
    attention_head_dim: count.nullable(),
    norm_num_groups: count,
    /** Groups of the norm before the middle attention; null for no such norm. */
    attn_norm_num_groups: count.nullable(),
    norm_eps: z.number().positive(),
    downsample_padding: z.union([z.literal(0), z.literal(1)]),
    downsample_type: resampling,
    upsample_type: resampling,
    resnet_time_scale_shift: z.enum(["default", "scale_shift"]),
    mid_block_scale_factor: z.number().positive(),
    center_input_sample: flag,
    flip_sin_to_cos: flag,
    freq_shift: z.number(),
    time_embedding_dim: count,
    out_channels: z.union([z.literal(3), z.literal(6)]),
  })
  .superRefine((a, context) => {
    const issue = (key: string, message: string) =>
      context.addIssue({ code: "custom", path: [key], message, input: a });
    const levels = a.block_out_channels.length;
    for (const key of ["down_block_types", "up_block_types"] as const) {
      if (a[key].length !== levels) {
        issue(key, `has ${a[key].length} blocks for ${levels} levels of block_out_channels`);
      }
    }
    if (a.block_out_channels.some((width) => width % a.norm_num_groups !== 0)) {
      issue("norm_num_groups", `must divide every one of ${a.block_out_channels.join(", ")} channels`);
    }
    const attended = a.block_out_channels.filter(
      (_, l) =>
        a.down_block_types[l] === "AttnDownBlock2D" ||
        a.up_block_types[levels - 1 - l] === "AttnUpBlock2D" ||
        (l === levels - 1 && a.mid_block && a.add_attention),
    );
    for (const width of attended) {
      if (width % (a.attention_head_dim ?? width) !== 0) {
        issue("attention_head_dim", `does not divide ${width} channels`);
      }
    }
    if (a.block_out_channels[0] % 2 !== 0) issue("block_out_channels", "the first must be even");
  });

const architecture = z.discriminatedUnion("family", [
  admArchitecture,
  ddpmArchitecture,
  diffusersArchitecture,
]);

/** Any architecture. */
export type Architecture = z.infer<typeof architecture>;
export type AdmArchitecture = z.infer<typeof admArchitecture>;
export type DdpmArchitecture = z.infer<typeof ddpmArchitecture>;
export type DiffusersArchitecture = z.infer<typeof diffusersArchitecture>;

/** The families' names. */
export type Family = Architecture["family"];

/** Schemas by family, for documents that have been brought to these names. */
export const architectureSchemas = {
  adm: admArchitecture,
  ddpm: ddpmArchitecture,
  diffusers: diffusersArchitecture,
} as const;

/** Levels of the network, 1 or more. */
export const levelCount = (a: Architecture): number =>
  (a.family === "adm" ? a.channel_mult : a.family === "ddpm" ? a.ch_mult : a.block_out_channels).length;

/** Height and width of pictures must be multiples of this: every level but the last halves them. */
export const sizeMultipleOf = (a: Architecture): number => 2 ** (levelCount(a) - 1);

/** Levels of `resolutions` in a network for pictures of side `imageSize`; resolutions that no level has are without effect, as in the sources. */
export function levelsAt(resolutions: readonly number[], imageSize: number, levels: number): number[] {
  return Array.from({ length: levels }, (_, l) => l).filter((l) =>
    resolutions.some((resolution) => Math.floor(imageSize / resolution) === 2 ** l),
  );
}
