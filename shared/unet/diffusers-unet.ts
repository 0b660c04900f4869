/**
 * diffusers' UNet2DModel, with the tensor names of its source.
 *
 * Source: huggingface/diffusers, `models/unets/unet_2d.py` and `unet_2d_blocks.py`. A downsampling padding of 0 pads right
 * and below; the middle block divides its sums by `mid_block_scale_factor`; every head has `attention_head_dim` channels.
 */
import type { Value } from "../onnx/graph-builder.js";
import type { DiffusersArchitecture } from "./architecture.js";
import { attention, joined } from "./attention.js";
import { groupNorm, learnedAffine } from "./group-norm.js";
import type { Feature, Layers } from "./layers.js";
import { type ResidualNames, residualBlock, type TimeEmbedding } from "./residual-block.js";
import { timeEmbedding } from "./timestep-embedding.js";
import { upsampledConv } from "./upsampled-conv.js";

const residualNames = (name: string): ResidualNames => ({
  norm1: `${name}.norm1`,
  conv1: `${name}.conv1`,
  embedding: `${name}.time_emb_proj`,
  norm2: `${name}.norm2`,
  conv2: `${name}.conv2`,
  skip: `${name}.conv_shortcut`,
});

/** Attention; `groups` null for one without a norm. */
function diffusersAttention(
  layers: Layers,
  x: Feature,
  name: string,
  a: DiffusersArchitecture,
  { groups, divisor }: { groups: number | null; divisor: number },
): Feature {
  const { channels } = x;
  const heads = Math.max(1, Math.floor(channels / (a.attention_head_dim ?? channels)));
  const norm =
    groups === null
      ? undefined
      : { groups, eps: a.norm_eps, affine: learnedAffine(layers, `${name}.group_norm`, channels) };
  const parts = ["to_q", "to_k", "to_v", "to_out.0"];
  const weights = parts.map((part) => layers.tensors.take(`${name}.${part}.weight`, [channels, channels]));
  const biases = parts.map((part) => layers.tensors.take(`${name}.${part}.bias`, [channels]));
  return attention(
    layers,
    x,
    {
      qkvWeight: joined(weights.slice(0, 3)),
      qkvBias: joined(biases.slice(0, 3)),
      qkvName: `${name}.to_qkv`,
      outWeight: weights[3],
      outBias: biases[3],
      outName: `${name}.to_out.0`,
    },
    { heads, divisor, ...(norm ? { norm } : {}) },
  );
}

/** The raw prediction for pictures x at timesteps t: three channels, float32. */
export function writeDiffusers(layers: Layers, a: DiffusersArchitecture, x: Feature, t: Value): Feature {
  const { graph } = layers;
  const channelsAt = a.block_out_channels;
  const levels = channelsAt.length;
  const embedding: TimeEmbedding = {
    value: timeEmbedding(
      layers,
      t,
      { size: channelsAt[0], cosineFirst: a.flip_sin_to_cos, shift: a.freq_shift },
      ["time_embedding.linear_1", "time_embedding.linear_2"],
      a.time_embedding_dim,
    ),
    width: a.time_embedding_dim,
  };
  const norm = { groups: a.norm_num_groups, eps: a.norm_eps };
  const scaleShift = a.resnet_time_scale_shift === "scale_shift";
  const residual = (
    input: Feature,
    name: string,
    out: number,
    options: { resample?: "up" | "down"; divisor?: number } = {},
  ) => residualBlock(layers, input, embedding, residualNames(name), { out, norm, scaleShift, ...options });
  const levelAttention = (input: Feature, name: string) =>
    diffusersAttention(layers, input, name, a, { groups: a.norm_num_groups, divisor: 1 });

  const centred = a.center_input_sample
    ? graph.node("Sub", [graph.node("Mul", [x.value, graph.scalar(2)]), graph.scalar(1)])
    : x.value;
  const input = layers.cast({ ...x, value: centred }, layers.precision);
  let h = layers.conv(input, "conv_in", { kernel: 3, out: channelsAt[0] });
  const skips = [h];
  for (const [level, type] of a.down_block_types.entries()) {
    const name = `down_blocks.${level}`;
    const attends = type === "AttnDownBlock2D";
    for (let block = 0; block < a.layers_per_block; block++) {
      h = residual(h, `${name}.resnets.${block}`, channelsAt[level]);
      if (attends) h = levelAttention(h, `${name}.attentions.${block}`);
      skips.push(h);
    }
    if (level === levels - 1) continue;
    const last = `${name}.downsamplers.0`;
    const byResidual = attends ? a.downsample_type === "resnet" : type === "ResnetDownsampleBlock2D";
    const pads = a.downsample_padding === 0 ? ([0, 0, 1, 1] as const) : ([1, 1, 1, 1] as const);
    h = byResidual
      ? residual(h, last, h.channels, { resample: "down" })
      : layers.conv(h, `${last}.conv`, { kernel: 3, out: h.channels, stride: 2, pads });
    skips.push(h);
  }

  if (a.mid_block) {
    const divisor = a.mid_block_scale_factor;
    h = residual(h, "mid_block.resnets.0", h.channels, { divisor });
    const middle = { groups: a.attn_norm_num_groups, divisor };
    if (a.add_attention) h = diffusersAttention(layers, h, "mid_block.attentions.0", a, middle);
    h = residual(h, "mid_block.resnets.1", h.channels, { divisor });
  }

  for (const [index, type] of a.up_block_types.entries()) {
    const level = levels - 1 - index;
    const name = `up_blocks.${index}`;
    const attends = type === "AttnUpBlock2D";
    for (let block = 0; block <= a.layers_per_block; block++) {
      const skip = skips.pop();
      if (skip === undefined) throw new Error("more blocks up than down");
      h = residual(layers.concat(h, skip), `${name}.resnets.${block}`, channelsAt[level]);
      if (attends) h = levelAttention(h, `${name}.attentions.${block}`);
    }
    if (level === 0) continue;
    const last = `${name}.upsamplers.0`;
    const byResidual = attends ? a.upsample_type === "resnet" : type === "ResnetUpsampleBlock2D";
    h = byResidual
      ? residual(h, last, h.channels, { resample: "up" })
      : upsampledConv(layers, h, `${last}.conv`, h.channels);
  }

  const affine = learnedAffine(layers, "conv_norm_out", h.channels);
  h = layers.silu(groupNorm(layers, h, norm, affine, "float32"));
  return layers.conv(h, "conv_out", { kernel: 3, out: a.out_channels, keep: 3 });
}
