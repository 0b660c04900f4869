/**
 * The ADM U-Net, with the tensor names of its source.
 *
 * Source: openai/guided-diffusion, `unet.py` (Dhariwal and Nichol 2021, arXiv 2105.05233). Embedding [cos, sin] with
 * exponent i / half; norms with epsilon 1e-5; an attention of the legacy order has its queries, keys and values head by
 * head; with learned sigma the first three outputs are the noise estimate.
 */
import type { Value } from "../onnx/graph-builder.js";
import { type AdmArchitecture, normGroups } from "./architecture.js";
import { attention, fromLegacyOrder } from "./attention.js";
import { groupNorm, learnedAffine } from "./group-norm.js";
import type { Feature, Layers } from "./layers.js";
import { type ResidualNames, residualBlock, type TimeEmbedding } from "./residual-block.js";
import { timeEmbedding } from "./timestep-embedding.js";
import { upsampledConv } from "./upsampled-conv.js";

const norm = { groups: normGroups, eps: 1e-5 } as const;

const residualNames = (name: string): ResidualNames => ({
  norm1: `${name}.in_layers.0`,
  conv1: `${name}.in_layers.2`,
  embedding: `${name}.emb_layers.1`,
  norm2: `${name}.out_layers.0`,
  conv2: `${name}.out_layers.3`,
  skip: `${name}.skip_connection`,
});

/** AttentionBlock; `heads` is what the source calls num_heads or num_heads_upsample. */
function admAttention(
  layers: Layers,
  x: Feature,
  name: string,
  a: AdmArchitecture,
  upwards: boolean,
): Feature {
  const { channels } = x;
  const byNumber = (upwards ? a.num_heads_upsample : undefined) ?? a.num_heads ?? 1;
  const heads = a.num_head_channels ? channels / a.num_head_channels : byNumber;
  const take = (tensor: string, shape: readonly number[]) => layers.tensors.take(`${name}.${tensor}`, shape);
  const affine = learnedAffine(layers, `${name}.norm`, channels);
  const weight = take("qkv.weight", [3 * channels, channels, 1]);
  const bias = take("qkv.bias", [3 * channels]);
  const legacy = !a.use_new_attention_order;
  return attention(
    layers,
    x,
    {
      qkvWeight: legacy ? fromLegacyOrder(weight, heads) : weight,
      qkvBias: legacy ? fromLegacyOrder(bias, heads) : bias,
      qkvName: `${name}.qkv`,
      outWeight: take("proj_out.weight", [channels, channels, 1]),
      outBias: take("proj_out.bias", [channels]),
      outName: `${name}.proj_out`,
    },
    { heads, norm: { ...norm, affine } },
  );
}

/** The raw prediction for pictures x at timesteps t: three channels, float32. */
export function writeAdm(layers: Layers, a: AdmArchitecture, x: Feature, t: Value): Feature {
  const base = a.model_channels;
  const width = 4 * base;
  const embedding: TimeEmbedding = {
    value: timeEmbedding(
      layers,
      t,
      { size: base, cosineFirst: true, shift: 0 },
      ["time_embed.0", "time_embed.2"],
      width,
    ),
    width,
  };
  const channelsAt = a.channel_mult.map((mult) => Math.trunc(mult * base));
  const levels = channelsAt.length;
  const residual = (input: Feature, name: string, out: number, resample?: "up" | "down") =>
    residualBlock(layers, input, embedding, residualNames(name), {
      out,
      norm,
      scaleShift: a.use_scale_shift_norm,
      resample,
    });
  const attends = (level: number) => a.attention_levels.includes(level);

  let h = layers.conv(layers.cast(x, layers.precision), "input_blocks.0.0", {
    kernel: 3,
    out: channelsAt[0],
  });
  const skips = [h];
  for (let level = 0; level < levels; level++) {
    for (let block = 0; block < a.num_res_blocks; block++) {
      const name = `input_blocks.${skips.length}`;
      h = residual(h, `${name}.0`, channelsAt[level]);
      if (attends(level)) h = admAttention(layers, h, `${name}.1`, a, false);
      skips.push(h);
    }
    if (level === levels - 1) continue;
    const name = `input_blocks.${skips.length}.0`;
    if (a.resblock_updown) h = residual(h, name, h.channels, "down");
    else if (a.conv_resample) h = layers.conv(h, `${name}.op`, { kernel: 3, out: h.channels, stride: 2 });
    else h = layers.pool(h);
    skips.push(h);
  }

  h = residual(h, "middle_block.0", h.channels);
  h = admAttention(layers, h, "middle_block.1", a, false);
  h = residual(h, "middle_block.2", h.channels);

  let index = 0;
  for (let level = levels - 1; level >= 0; level--) {
    for (let block = 0; block <= a.num_res_blocks; block++, index++) {
      const name = `output_blocks.${index}`;
      const skip = skips.pop();
      if (skip === undefined) throw new Error("more blocks up than down");
      h = residual(layers.concat(h, skip), `${name}.0`, channelsAt[level]);
      if (attends(level)) h = admAttention(layers, h, `${name}.1`, a, true);
      if (level === 0 || block < a.num_res_blocks) continue;
      const last = `${name}.${attends(level) ? 2 : 1}`;
      if (a.resblock_updown) h = residual(h, last, h.channels, "up");
      else if (a.conv_resample) h = upsampledConv(layers, h, `${last}.conv`, h.channels);
      else h = layers.upsample(h);
    }
  }

  h = layers.silu(groupNorm(layers, h, norm, learnedAffine(layers, "out.0", h.channels), "float32"));
  return layers.conv(h, "out.2", { kernel: 3, out: a.learn_sigma ? 6 : 3, keep: 3 });
}
