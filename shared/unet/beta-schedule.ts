/**
 * The noise schedule a network was trained on, as its betas: it turns predictions of v or of the picture into noise
 * estimates.
 *
 * Sources: Ho et al. 2020 (linear), Rombach et al. 2022 (scaled linear), Nichol and Dhariwal 2021, equation 17 (squared
 * cosine), Lin et al. 2024, algorithm 1 (zero terminal SNR); names as in diffusers' schedulers.
 */
import { z } from "zod";
import { parseDocument } from "./parse-document.js";

const range = { timesteps: z.int().min(1), beta_start: z.number(), beta_end: z.number() };
const rescaled = { zero_terminal_snr: z.boolean().optional() };

/** Betas by formula or as a list, as model cards keep them. */
export const betaSchedule = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.enum(["linear", "scaled_linear"]), ...range, ...rescaled }),
  z.strictObject({ kind: z.literal("squaredcos_cap_v2"), timesteps: range.timesteps, ...rescaled }),
  z.strictObject({ kind: z.literal("betas"), betas: z.array(z.number()).min(1), ...rescaled }),
]);
export type BetaSchedule = z.infer<typeof betaSchedule>;

/** Linear betas 1e-4..0.02 over 1000 timesteps: DDPM's, and the one of the chains deqfleet runs. */
export const linearSchedule: BetaSchedule = {
  kind: "linear",
  timesteps: 1000,
  beta_start: 1e-4,
  beta_end: 0.02,
};

/** The squared cosine caps betas here, so that the last steps do not divide by zero. */
const largestBeta = 0.999;

const linspace = (from: number, to: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => (count === 1 ? from : from + ((to - from) * i) / (count - 1)));

function betasOf(schedule: BetaSchedule): readonly number[] {
  if (schedule.kind === "betas") return schedule.betas;
  if (schedule.kind === "squaredcos_cap_v2") {
    const n = schedule.timesteps;
    const signal = (t: number) => Math.cos(((t / n + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
    return Array.from({ length: n }, (_, i) => Math.min(1 - signal(i + 1) / signal(i), largestBeta));
  }
  const { beta_start: from, beta_end: to, timesteps } = schedule;
  if (schedule.kind === "linear") return linspace(from, to, timesteps);
  return linspace(Math.sqrt(from), Math.sqrt(to), timesteps).map((root) => root ** 2);
}

/** The cumulative signal levels abar_t of a schedule, one for each of its timesteps, falling, in [0, 1). */
export function cumulativeSignal(schedule: BetaSchedule): Float64Array {
  let product = 1;
  const signal = Float64Array.from(betasOf(schedule), (beta) => {
    product *= 1 - beta;
    return product;
  });
  if (!schedule.zero_terminal_snr) return signal;
  const first = Math.sqrt(signal[0]);
  const last = Math.sqrt(signal[signal.length - 1]);
  return signal.map((level) => ((Math.sqrt(level) - last) * (first / (first - last))) ** 2);
}

const schedulerConfig = z.looseObject({
  prediction_type: z.enum(["epsilon", "v_prediction", "sample"]).default("epsilon"),
  beta_schedule: z.enum(["linear", "scaled_linear", "squaredcos_cap_v2"]).default("linear"),
  beta_start: z.number().default(1e-4),
  beta_end: z.number().default(0.02),
  num_train_timesteps: z.int().min(1).default(1000),
  trained_betas: z.array(z.number()).nullish(),
  rescale_betas_zero_snr: z.boolean().default(false),
});

/** What a network predicts: the noise, v = sqrt(abar) eps - sqrt(1-abar) x0, or the picture x0. */
export const predictions = ["epsilon", "v_prediction", "sample"] as const;
export type Prediction = (typeof predictions)[number];

/**
 * Prediction and schedule of a diffusers scheduler_config.json.
 * @throws InputError naming file, key and value
 */
export function scheduleFromScheduler(
  document: unknown,
  source: string,
): { prediction: Prediction; schedule: BetaSchedule } {
  const s = parseDocument(schedulerConfig, document, source);
  const zero = s.rescale_betas_zero_snr ? { zero_terminal_snr: true } : {};
  const timesteps = s.num_train_timesteps;
  const kind = s.beta_schedule;
  const schedule: BetaSchedule = s.trained_betas
    ? { kind: "betas", betas: s.trained_betas, ...zero }
    : kind === "squaredcos_cap_v2"
      ? { kind, timesteps, ...zero }
      : { kind, timesteps, beta_start: s.beta_start, beta_end: s.beta_end, ...zero };
  return { prediction: s.prediction_type, schedule };
}
