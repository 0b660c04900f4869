/**
 * diffusers' `UNet2DModel` as its config.json describes it, with the library's defaults where a key is absent, and the
 * files of a diffusers folder: config.json beside the weights, scheduler_config.json beside them or in the pipeline.
 *
 * Source: huggingface/diffusers, `models/unets/unet_2d.py`, and the folder of google/ddpm-celebahq-256.
 */
import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { DeqfleetError, InputError } from "../errors.js";
import { architectureSchemas, type DiffusersArchitecture } from "./architecture.js";
import { type BetaSchedule, type Prediction, scheduleFromScheduler } from "./beta-schedule.js";
import { parseDocument } from "./parse-document.js";

const noLabels = "class-conditional networks cannot be imported: a prior has no labels to be given";

const configSchema = z.strictObject({
  _class_name: z.literal("UNet2DModel", "only UNet2DModel can be imported").optional(),
  _diffusers_version: z.unknown().optional(),
  _name_or_path: z.unknown().optional(),
  dropout: z.unknown().optional(),
  num_train_timesteps: z.unknown().optional(),
  sample_size: z.union([z.int(), z.array(z.int())]).nullish(),
  in_channels: z.literal(3, "only networks of RGB pictures (3 channels) can be imported").default(3),
  out_channels: z.union([z.literal(3), z.literal(6)]).default(3),
  center_input_sample: z.boolean().default(false),
  time_embedding_type: z
    .literal("positional", "only positional embeddings can be imported")
    .default("positional"),
  time_embedding_dim: z.int().nullish(),
  freq_shift: z.number().default(0),
  flip_sin_to_cos: z.boolean().default(true),
  down_block_types: z
    .array(z.string())
    .default(["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"]),
  mid_block_type: z.literal("UNetMidBlock2D").nullable().default("UNetMidBlock2D"),
  up_block_types: z
    .array(z.string())
    .default(["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"]),
  block_out_channels: z.array(z.int().min(1)).min(1).default([224, 448, 672, 896]),
  layers_per_block: z.int().min(1).default(2),
  mid_block_scale_factor: z.number().default(1),
  downsample_padding: z.int().default(1),
  downsample_type: z.string().default("conv"),
  upsample_type: z.string().default("conv"),
  act_fn: z.enum(["silu", "swish"]).default("silu"),
  attention_head_dim: z.int().nullable().default(8),
  norm_num_groups: z.int().default(32),
  attn_norm_num_groups: z.int().nullish(),
  norm_eps: z.number().default(1e-5),
  resnet_time_scale_shift: z.string().default("default"),
  add_attention: z.boolean().default(true),
  class_embed_type: z.null(noLabels).optional(),
  num_class_embeds: z.null(noLabels).optional(),
});

/** "UNetResDownBlock2D" and the like are older names of the same blocks. */
const currentName = (type: string): string => (type.startsWith("UNetRes") ? type.slice(7) : type);

/**
 * The architecture of a config.json.
 * @throws InputError naming file, key and value
 */
export function diffusersFromConfig(document: unknown, source: string): DiffusersArchitecture {
  const c = parseDocument(configSchema, document, source);
  const size = Array.isArray(c.sample_size) ? c.sample_size[0] : c.sample_size;
  return parseDocument(
    architectureSchemas.diffusers,
    {
      family: "diffusers",
      ...(size ? { image_size: size } : {}),
      block_out_channels: c.block_out_channels,
      down_block_types: c.down_block_types.map(currentName),
      up_block_types: c.up_block_types.map(currentName),
      mid_block: c.mid_block_type !== null,
      add_attention: c.add_attention,
      layers_per_block: c.layers_per_block,
      attention_head_dim: c.attention_head_dim,
      norm_num_groups: c.norm_num_groups,
      // UNetMidBlock2D: a scale-shift network's middle attention has no norm unless one is asked for.
      attn_norm_num_groups:
        c.attn_norm_num_groups ?? (c.resnet_time_scale_shift === "default" ? c.norm_num_groups : null),
      norm_eps: c.norm_eps,
      downsample_padding: c.downsample_padding,
      downsample_type: c.downsample_type,
      upsample_type: c.upsample_type,
      resnet_time_scale_shift: c.resnet_time_scale_shift,
      mid_block_scale_factor: c.mid_block_scale_factor,
      center_input_sample: c.center_input_sample,
      flip_sin_to_cos: c.flip_sin_to_cos,
      freq_shift: c.freq_shift,
      time_embedding_dim: c.time_embedding_dim ?? 4 * c.block_out_channels[0],
      out_channels: c.out_channels,
    },
    source,
  );
}

async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new InputError(`${path} cannot be read: ${DeqfleetError.messageOf(cause)}`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InputError(`${path} is no valid JSON: ${DeqfleetError.messageOf(cause)}`, { cause });
  }
}

const isFolder = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() ?? false;

/**
 * Where a checkpoint's tensors lie: a pipeline folder keeps its network in `unet/`; any other path is its own answer.
 */
export async function networkFolderOf(path: string): Promise<string> {
  const inside = join(path, "unet");
  return (await isFolder(inside)) ? inside : path;
}

/** What the files around a diffusers network say of it. */
export interface DiffusersFolder {
  readonly architecture: DiffusersArchitecture | undefined;
  readonly prediction: Prediction | undefined;
  readonly schedule: BetaSchedule | undefined;
}

/**
 * Reads config.json and scheduler_config.json of the network at `source`, a folder or a file in it. The scheduler's file
 * may lie beside the network, in `scheduler/`, or in the pipeline folder's `scheduler/`.
 * @throws InputError if one of them cannot be read or says something that cannot be imported
 */
export async function readDiffusersFolder(source: string): Promise<DiffusersFolder> {
  const folder = (await isFolder(source)) ? source : dirname(source);
  const configPath = join(folder, "config.json");
  const config = await readJson(configPath);
  const architecture = config === undefined ? undefined : diffusersFromConfig(config, configPath);
  for (const place of [".", "scheduler", join("..", "scheduler")]) {
    const path = join(folder, place, "scheduler_config.json");
    const scheduler = await readJson(path);
    if (scheduler !== undefined) return { architecture, ...scheduleFromScheduler(scheduler, path) };
  }
  return { architecture, prediction: undefined, schedule: undefined };
}
