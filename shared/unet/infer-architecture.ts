/**
 * The architecture of a checkpoint, from the names and shapes of its tensors. What no tensor shows is asked for by flag:
 * how channels are split into heads, and in which order.
 */
import { InputError } from "../errors.js";
import type { AdmArchitecture, Architecture, DdpmArchitecture, Family } from "./architecture.js";

/** Shapes by tensor name. */
export type TensorShapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

/** Answers to what cannot be seen in the tensors. */
export interface ArchitectureFlags {
  /** `--heads`: heads of each attention. */
  readonly heads?: number;
  /** `--heads-upsample`: heads of the attentions on the way up, where they differ. */
  readonly headsUpsample?: number;
  /** `--head-channels`: width of each head. */
  readonly headChannels?: number;
  /** `--attention-order`: head by head (legacy), or queries, keys and values first (new). */
  readonly attentionOrder?: "legacy" | "new";
  /** `--image-size`: side of the training pictures; for the record only. */
  readonly imageSize?: number;
}

/** The families by a tensor only they have. */
const telling: readonly (readonly [Family, string])[] = [
  ["adm", "input_blocks.0.0.weight"],
  ["ddpm", "temb.dense.0.weight"],
  ["diffusers", "time_embedding.linear_1.weight"],
];

/** Tensors of networks that need a label, or something else deqfleet cannot give. */
const refused: readonly (readonly [RegExp, string])[] = [
  [/^(label_emb|class_embedding)\./, "the network is class-conditional: a prior has no labels to be given"],
  [/\.attn2\.|transformer_blocks\./, "the network attends to a text or another condition"],
];

/**
 * The family whose names the tensors have.
 * @throws InputError if it is none, or the network needs a condition
 */
export function inferFamily(tensors: TensorShapes, source: string): Family {
  for (const [pattern, why] of refused) {
    const name = [...tensors.keys()].find((key) => pattern.test(key));
    if (name !== undefined) {
      throw new InputError(
        `${source}: tensor ${name} [${tensors.get(name)?.shape.join(", ")}]: ${why}; give an unconditional checkpoint`,
      );
    }
  }
  const found = telling.find(([, name]) => tensors.has(name));
  if (found) return found[0];
  const some = [...tensors.keys()].slice(0, 4).join(", ") || "none";
  throw new InputError(
    `${source}: no known family has these tensors (${some}, ...); known: guided-diffusion (${telling[0][1]}), pytorch_diffusion and SDEdit (${telling[1][1]}), diffusers UNet2DModel (${telling[2][1]})`,
  );
}

/** The dimension of a tensor that must be there. */
function dimension(tensors: TensorShapes, name: string, axis: number, source: string): number {
  const size = tensors.get(name)?.shape[axis];
  if (size === undefined) {
    throw new InputError(
      `${source}: tensor ${name} is missing, so the architecture cannot be inferred; name it with --arch`,
    );
  }
  return size;
}

/** Numbers in the place of `#` in the names that fit, in rising order. */
function indices(tensors: TensorShapes, pattern: string): number[] {
  const expression = new RegExp(`^${pattern.replaceAll(".", "\\.").replace("#", "(\\d+)")}`);
  const found = [...tensors.keys()].flatMap((name) => expression.exec(name)?.[1] ?? []);
  return [...new Set(found.map(Number))].sort((a, b) => a - b);
}

/** Widths of the channels attention is split over, each once. */
const attendedWidths = (tensors: TensorShapes): number[] => [
  ...new Set([...tensors].filter(([name]) => name.endsWith(".qkv.weight")).map(([, { shape }]) => shape[1])),
];

/** Heads and their order, or an error that names the flags to give. */
function headSplit(tensors: TensorShapes, flags: ArchitectureFlags, source: string) {
  const widths = attendedWidths(tensors);
  const missing: string[] = [];
  const { heads, headChannels, headsUpsample, attentionOrder } = flags;
  if (heads === undefined && headChannels === undefined) {
    missing.push(
      "--heads or --head-channels (the number or the width of the attention heads; guided-diffusion's num_heads and num_head_channels)",
    );
  }
  const single =
    headChannels !== undefined
      ? widths.every((width) => width === headChannels)
      : heads === 1 && (headsUpsample ?? 1) === 1;
  // With one head both orders are the same.
  if (attentionOrder === undefined && !single) {
    missing.push(
      "--attention-order legacy|new (guided-diffusion's use_new_attention_order; its published checkpoints are legacy)",
    );
  }
  if (widths.length > 0 && missing.length > 0) {
    throw new InputError(
      `${source}: the attention over ${widths.join(", ")} channels does not show in the tensors how it is split: give ${missing.join(", and ")}; or name the architecture with --arch`,
    );
  }
  return {
    ...(headChannels !== undefined ? { num_head_channels: headChannels } : { num_heads: heads ?? 1 }),
    ...(headsUpsample !== undefined && headChannels === undefined
      ? { num_heads_upsample: headsUpsample }
      : {}),
    use_new_attention_order: attentionOrder === "new",
  };
}

function inferAdm(tensors: TensorShapes, flags: ArchitectureFlags, source: string): AdmArchitecture {
  const model_channels = dimension(tensors, "time_embed.0.weight", 1, source);
  const blocks = (indices(tensors, "input_blocks.#.").at(-1) ?? 0) + 1;
  const outputs = indices(tensors, "output_blocks.#.");
  // The last block of each level but the first on the way up is followed by an upsampling, which has tensors unless it
  // only repeats pixels; then the poolings on the way down leave gaps in the numbers.
  const has = (name: string) => tensors.has(name);
  const grows = (i: number, tensor: string) =>
    has(`output_blocks.${i}.1.${tensor}`) || has(`output_blocks.${i}.2.${tensor}`);
  const upByResidual = outputs.find((i) => grows(i, "in_layers.0.weight"));
  const upByConv = outputs.find((i) => grows(i, "conv.weight"));
  const present = new Set(indices(tensors, "input_blocks.#."));
  const gap = Array.from({ length: blocks }, (_, i) => i).find((i) => !present.has(i));
  const perLevel = upByResidual ?? upByConv ?? (gap === undefined ? blocks - 1 : gap - 1);
  const stride = perLevel + 1;
  if (perLevel < 1 || blocks % stride !== 0) {
    throw new InputError(
      `${source}: ${blocks} input blocks do not divide into levels of ${perLevel} residual blocks; name the architecture with --arch`,
    );
  }
  const levels = Array.from({ length: blocks / stride }, (_, level) => level);
  const block = (level: number) => `input_blocks.${1 + level * stride}`;
  return {
    family: "adm",
    ...(flags.imageSize === undefined ? {} : { image_size: flags.imageSize }),
    model_channels,
    channel_mult: levels.map(
      (level) => dimension(tensors, `${block(level)}.0.in_layers.2.weight`, 0, source) / model_channels,
    ),
    num_res_blocks: perLevel,
    attention_levels: levels.filter((level) => has(`${block(level)}.1.qkv.weight`)),
    ...headSplit(tensors, flags, source),
    use_scale_shift_norm:
      dimension(tensors, "middle_block.0.emb_layers.1.weight", 0, source) ===
      2 * dimension(tensors, "middle_block.0.out_layers.0.weight", 0, source),
    resblock_updown: upByResidual !== undefined,
    // Where nothing is resampled by a layer of its own, guided-diffusion's default.
    conv_resample: upByResidual !== undefined || upByConv !== undefined || levels.length === 1,
    learn_sigma: dimension(tensors, "out.2.weight", 0, source) === 6,
  };
}

function inferDdpm(tensors: TensorShapes, flags: ArchitectureFlags, source: string): DdpmArchitecture {
  const ch = dimension(tensors, "temb.dense.0.weight", 1, source);
  const levels = indices(tensors, "down.#.block.");
  return {
    family: "ddpm",
    ...(flags.imageSize === undefined ? {} : { image_size: flags.imageSize }),
    ch,
    ch_mult: levels.map((l) => dimension(tensors, `down.${l}.block.0.conv1.weight`, 0, source) / ch),
    num_res_blocks: indices(tensors, "down.0.block.#.").length,
    attention_levels: levels.filter((l) => tensors.has(`down.${l}.attn.0.q.weight`)),
    resamp_with_conv: levels.length === 1 || tensors.has("down.0.downsample.conv.weight"),
    out_ch: dimension(tensors, "conv_out.weight", 0, source) === 6 ? 6 : 3,
  };
}

/**
 * The architecture the tensors show.
 * @param source the checkpoint, for messages
 * @throws InputError naming the flag to give for what they do not show, or the tensor that cannot be explained
 */
export function inferArchitecture(
  tensors: TensorShapes,
  flags: ArchitectureFlags,
  source: string,
): Architecture {
  switch (inferFamily(tensors, source)) {
    case "adm":
      return inferAdm(tensors, flags, source);
    case "ddpm":
      return inferDdpm(tensors, flags, source);
    case "diffusers":
      throw new InputError(
        `${source}: a diffusers UNet2DModel without its config.json: the head width, the form of the time embedding (flip_sin_to_cos, freq_shift) and the norms' groups and epsilon are not in the tensors; put config.json beside the file or name it with --arch config.json`,
      );
  }
}
