/**
 * DDPM architectures as SDEdit's YAML files write them (sections data, model and diffusion), or with the model's
 * settings at the top.
 *
 * Source: ermongroup/SDEdit, `configs/*.yml` and `models/diffusion.py`.
 */
import { z } from "zod";
import { architectureSchemas, type DdpmArchitecture, levelsAt } from "./architecture.js";
import type { BetaSchedule } from "./beta-schedule.js";
import { parseDocument } from "./parse-document.js";

/** What each file has beside the network: training, sampling, the data set. */
const anything = z.unknown().optional();

const model = z.strictObject({
  type: anything,
  var_type: anything,
  ema: anything,
  ema_rate: anything,
  dropout: anything,
  in_channels: z.literal(3, "only networks of RGB pictures (3 channels) can be imported").optional(),
  out_ch: z.union([z.literal(3), z.literal(6)]).default(3),
  ch: z.int().min(1),
  ch_mult: z.array(z.int().min(1)),
  num_res_blocks: z.int().min(1),
  attn_resolutions: z.array(z.int().min(1)).default([]),
  resamp_with_conv: z.boolean().default(true),
});

const sections = z.strictObject({
  family: anything,
  data: z.looseObject({ image_size: z.int().min(1) }),
  model,
  diffusion: z
    .looseObject({
      beta_schedule: z.literal("linear").default("linear"),
      beta_start: z.number(),
      beta_end: z.number(),
      num_diffusion_timesteps: z.int().min(1),
    })
    .optional(),
  sampling: anything,
  training: anything,
  optim: anything,
});

const flat = model.extend({ family: anything, name: anything, resolution: z.int().min(1) });

/**
 * The architecture and schedule of an SDEdit configuration.
 * @throws InputError naming file, key and value
 */
export function ddpmFromConfig(
  document: Readonly<Record<string, unknown>>,
  source: string,
): { architecture: DdpmArchitecture; schedule?: BetaSchedule } {
  const nested = "model" in document ? parseDocument(sections, document, source) : undefined;
  const m = nested?.model ?? parseDocument(flat, document, source);
  const imageSize = nested?.data.image_size ?? parseDocument(flat, document, source).resolution;
  const architecture = parseDocument(
    architectureSchemas.ddpm,
    {
      family: "ddpm",
      image_size: imageSize,
      ch: m.ch,
      ch_mult: m.ch_mult,
      num_res_blocks: m.num_res_blocks,
      attention_levels: levelsAt(m.attn_resolutions, imageSize, m.ch_mult.length),
      resamp_with_conv: m.resamp_with_conv,
      out_ch: m.out_ch,
    },
    source,
  );
  const d = nested?.diffusion;
  if (d === undefined) return { architecture };
  const { beta_start, beta_end, num_diffusion_timesteps: timesteps } = d;
  return { architecture, schedule: { kind: "linear", beta_start, beta_end, timesteps } };
}
