/**
 * ADM architectures as guided-diffusion's scripts name them: flags such as `num_channels: 256` and
 * `attention_resolutions: "32,16,8"`, with the scripts' defaults.
 *
 * Source: openai/guided-diffusion, `script_util.py` (`model_and_diffusion_defaults`, `create_model`), and the
 * configurations of DPS, which use the same names.
 */
import { z } from "zod";
import { InputError } from "../errors.js";
import { type AdmArchitecture, architectureSchemas, levelsAt } from "./architecture.js";
import type { BetaSchedule } from "./beta-schedule.js";
import { parseDocument } from "./parse-document.js";

const numbers = z.union([
  z.array(z.number()),
  z.number().transform((n) => [n]),
  z
    .string()
    .regex(/^\s*(\d+(\.\d+)?\s*(,\s*\d+(\.\d+)?\s*)*)?$/, "expected numbers separated by commas")
    .transform((text) => (text.trim() === "" ? [] : text.split(",").map(Number))),
]);

/** Settings of the scripts that say nothing of the trained network's graph. */
const immaterial = [
  "container",
  "name",
  "dropout",
  "use_checkpoint",
  "use_fp16",
  "model_path",
  "use_kl",
].concat(["timestep_respacing", "rescale_learned_sigmas", "licence"]);

const flags = z.strictObject({
  ...Object.fromEntries(immaterial.map((key) => [key, z.unknown().optional()])),
  family: z.string().optional(),
  image_size: z.int().min(1).default(64),
  num_channels: z.int().min(1).optional(),
  model_channels: z.int().min(1).optional(),
  in_channels: z.literal(3, "only networks of RGB pictures (3 channels) can be imported").optional(),
  out_channels: z.union([z.literal(3), z.literal(6)]).optional(),
  num_res_blocks: z.int().min(1).default(2),
  channel_mult: numbers.default([]),
  attention_resolutions: numbers.default([16, 8]),
  num_heads: z.int().default(4),
  num_heads_upsample: z.int().default(-1),
  num_head_channels: z.int().default(-1),
  use_scale_shift_norm: z.boolean().default(true),
  resblock_updown: z.boolean().default(false),
  conv_resample: z.boolean().default(true),
  learn_sigma: z.boolean().optional(),
  use_new_attention_order: z.boolean().default(false),
  class_cond: z
    .literal(false, "class-conditional networks cannot be imported: a prior has no labels to be given")
    .optional(),
  num_classes: z
    .null("class-conditional networks cannot be imported: a prior has no labels to be given")
    .optional(),
  diffusion_steps: z.int().min(1).optional(),
  noise_schedule: z.enum(["linear", "cosine"]).optional(),
  predict_xstart: z.boolean().default(false),
  rescale_timesteps: z.boolean().default(false),
});

/** `create_model`'s multipliers where none are given, by image size. */
const defaultMultipliers: Readonly<Record<number, readonly number[]>> = {
  512: [0.5, 1, 1, 2, 2, 4, 4],
  256: [1, 1, 2, 2, 4, 4],
  128: [1, 1, 2, 3, 4],
  64: [1, 2, 3, 4],
};

const positive = (n: number): number | undefined => (n > 0 ? n : undefined);

/** guided-diffusion scales its linear betas so that any number of steps spans the same noise (`get_named_beta_schedule`). */
function scheduleOf(steps: number, name: "linear" | "cosine"): BetaSchedule {
  if (name === "cosine") return { kind: "squaredcos_cap_v2", timesteps: steps };
  const scale = 1000 / steps;
  return { kind: "linear", timesteps: steps, beta_start: scale * 1e-4, beta_end: scale * 0.02 };
}

/**
 * The architecture and diffusion of guided-diffusion's flags.
 * @throws InputError naming file, key and value
 */
export function admFromFlags(
  document: unknown,
  source: string,
): { architecture: AdmArchitecture; prediction?: "sample"; schedule?: BetaSchedule } {
  const f = parseDocument(flags, document, source);
  const multipliers = f.channel_mult.length > 0 ? f.channel_mult : defaultMultipliers[f.image_size];
  if (multipliers === undefined) {
    throw new InputError(
      `${source}: channel_mult: missing: guided-diffusion has no default for image_size ${f.image_size}; give it, e.g. "1,2,3,4"`,
    );
  }
  if (f.rescale_timesteps && (f.diffusion_steps ?? 1000) !== 1000) {
    throw new InputError(
      `${source}: rescale_timesteps: true with ${f.diffusion_steps} diffusion_steps cannot be imported; only 1000 steps can`,
    );
  }
  const architecture = parseDocument(
    architectureSchemas.adm,
    {
      family: "adm",
      image_size: f.image_size,
      model_channels: f.num_channels ?? f.model_channels ?? 128,
      channel_mult: multipliers,
      num_res_blocks: f.num_res_blocks,
      attention_levels: levelsAt(f.attention_resolutions, f.image_size, multipliers.length),
      num_heads: f.num_head_channels > 0 ? undefined : positive(f.num_heads),
      num_heads_upsample: f.num_head_channels > 0 ? undefined : positive(f.num_heads_upsample),
      num_head_channels: positive(f.num_head_channels),
      use_scale_shift_norm: f.use_scale_shift_norm,
      resblock_updown: f.resblock_updown,
      conv_resample: f.conv_resample,
      learn_sigma: f.learn_sigma ?? f.out_channels === 6,
      use_new_attention_order: f.use_new_attention_order,
    },
    source,
  );
  const named = f.diffusion_steps !== undefined || f.noise_schedule !== undefined;
  return {
    architecture,
    ...(f.predict_xstart ? { prediction: "sample" as const } : {}),
    ...(named ? { schedule: scheduleOf(f.diffusion_steps ?? 1000, f.noise_schedule ?? "linear") } : {}),
  };
}
