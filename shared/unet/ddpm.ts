/**
 * The U-Net of pytorch_diffusion and SDEdit, with the tensor names of its source.
 *
 * Source: ermongroup/SDEdit, `models/diffusion.py` (after Ho et al. 2020). Embedding [sin, cos] with exponent
 * i / (half - 1); norms with epsilon 1e-6; downsampling pads right and below; one head.
 */
import type { Value } from "../onnx/graph-builder.js";
import { type DdpmArchitecture, normGroups } from "./architecture.js";
import { attention, joined } from "./attention.js";
import { groupNorm, learnedAffine } from "./group-norm.js";
import type { Feature, Layers } from "./layers.js";
import { type ResidualNames, residualBlock, type TimeEmbedding } from "./residual-block.js";
import { timeEmbedding } from "./timestep-embedding.js";
import { upsampledConv } from "./upsampled-conv.js";

const norm = { groups: normGroups, eps: 1e-6 } as const;

const residualNames = (name: string): ResidualNames => ({
  norm1: `${name}.norm1`,
  conv1: `${name}.conv1`,
  embedding: `${name}.temb_proj`,
  norm2: `${name}.norm2`,
  conv2: `${name}.conv2`,
  skip: `${name}.nin_shortcut`,
});

/** AttnBlock. */
function ddpmAttention(layers: Layers, x: Feature, name: string): Feature {
  const { channels } = x;
  const affine = learnedAffine(layers, `${name}.norm`, channels);
  const weights = ["q", "k", "v", "proj_out"].map((part) =>
    layers.tensors.take(`${name}.${part}.weight`, [channels, channels, 1, 1]),
  );
  const biases = ["q", "k", "v", "proj_out"].map((part) =>
    layers.tensors.take(`${name}.${part}.bias`, [channels]),
  );
  return attention(
    layers,
    x,
    {
      qkvWeight: joined(weights.slice(0, 3)),
      qkvBias: joined(biases.slice(0, 3)),
      qkvName: `${name}.qkv`,
      outWeight: weights[3],
      outBias: biases[3],
      outName: `${name}.proj_out`,
    },
    { heads: 1, norm: { ...norm, affine } },
  );
}

/** The raw prediction for pictures x at timesteps t: three channels, float32. */
export function writeDdpm(layers: Layers, a: DdpmArchitecture, x: Feature, t: Value): Feature {
  const width = 4 * a.ch;
  const embedding: TimeEmbedding = {
    value: timeEmbedding(
      layers,
      t,
      { size: a.ch, cosineFirst: false, shift: 1 },
      ["temb.dense.0", "temb.dense.1"],
      width,
    ),
    width,
  };
  const channelsAt = a.ch_mult.map((mult) => mult * a.ch);
  const levels = channelsAt.length;
  const residual = (input: Feature, name: string, out: number) =>
    residualBlock(layers, input, embedding, residualNames(name), { out, norm, scaleShift: false });
  const attends = (level: number) => a.attention_levels.includes(level);

  let h = layers.conv(layers.cast(x, layers.precision), "conv_in", { kernel: 3, out: a.ch });
  const skips = [h];
  for (let level = 0; level < levels; level++) {
    for (let block = 0; block < a.num_res_blocks; block++) {
      h = residual(h, `down.${level}.block.${block}`, channelsAt[level]);
      if (attends(level)) h = ddpmAttention(layers, h, `down.${level}.attn.${block}`);
      skips.push(h);
    }
    if (level === levels - 1) continue;
    const conv = { kernel: 3, out: h.channels, stride: 2, pads: [0, 0, 1, 1] } as const;
    h = a.resamp_with_conv ? layers.conv(h, `down.${level}.downsample.conv`, conv) : layers.pool(h);
    skips.push(h);
  }

  h = residual(h, "mid.block_1", h.channels);
  h = ddpmAttention(layers, h, "mid.attn_1");
  h = residual(h, "mid.block_2", h.channels);

  for (let level = levels - 1; level >= 0; level--) {
    for (let block = 0; block <= a.num_res_blocks; block++) {
      const skip = skips.pop();
      if (skip === undefined) throw new Error("more blocks up than down");
      h = residual(layers.concat(h, skip), `up.${level}.block.${block}`, channelsAt[level]);
      if (attends(level)) h = ddpmAttention(layers, h, `up.${level}.attn.${block}`);
    }
    if (level === 0) continue;
    h = a.resamp_with_conv
      ? upsampledConv(layers, h, `up.${level}.upsample.conv`, h.channels)
      : layers.upsample(h);
  }

  h = layers.silu(groupNorm(layers, h, norm, learnedAffine(layers, "norm_out", h.channels), "float32"));
  return layers.conv(h, "conv_out", { kernel: 3, out: a.out_ch, keep: 3 });
}
