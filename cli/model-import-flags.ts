/** The flags of `deqfleet model import`, and what they say of network, prediction and schedule. */
import { Command } from "commander";
import { InputError } from "../shared/errors.js";
import type { Architecture } from "../shared/unet/architecture.js";
import {
  type BetaSchedule,
  type Prediction,
  predictions,
  scheduleFromScheduler,
} from "../shared/unet/beta-schedule.js";
import type { ArchitectureFlags } from "../shared/unet/infer-architecture.js";
import { presets } from "../shared/unet/presets.js";
import { choice, count, number } from "./model-arguments.js";

/** The flags as commander gives them. */
export interface ImportFlags extends ArchitectureFlags {
  readonly arch?: string;
  readonly out: string;
  readonly fp16?: boolean;
  readonly weights?: "ema" | "model";
  readonly prediction?: Prediction;
  readonly betaSchedule?: string;
  readonly betaStart?: number;
  readonly betaEnd?: number;
  readonly timesteps?: number;
  readonly zeroTerminalSnr?: boolean;
  readonly licence?: string;
  readonly batch?: number;
  readonly height?: number;
  readonly width?: number;
  readonly opset?: "17" | "18";
  readonly externalData?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** The command without its action. */
export function importFlags(): Command {
  return new Command("import")
    .description(
      "write the ONNX graph of a PyTorch or safetensors checkpoint; its pickles are never executed",
    )
    .argument("<checkpoint>", "file (.pt, .pth, .ckpt, .safetensors, index of shards) or diffusers folder")
    .requiredOption("--out <file.onnx>", "model to write; a card of the same name, .json, goes beside it")
    .option(
      "--arch <file|preset>",
      `YAML or JSON file, or one of ${Object.keys(presets).join(", ")} (default: what the tensors and a config.json show)`,
    )
    .option("--heads <n>", "guided-diffusion: heads of each attention", count)
    .option("--heads-upsample <n>", "guided-diffusion: heads on the way up, where they differ", count)
    .option("--head-channels <n>", "guided-diffusion: width of each head", count)
    .addOption(
      choice("--attention-order <order>", "guided-diffusion: how heads are laid out", ["legacy", "new"]),
    )
    .option("--image-size <n>", "side of the training pictures, for the record", count)
    .addOption(
      choice("--weights <copy>", "averaged or plain weights (default: averaged where there are)", [
        "ema",
        "model",
      ]),
    )
    .addOption(
      choice(
        "--prediction <what>",
        "what the network predicts (default: as its config says, or epsilon)",
        predictions,
      ),
    )
    .addOption(
      choice(
        "--beta-schedule <name>",
        "noise schedule it was trained on (default: as its config, or linear)",
        ["linear", "scaled_linear", "squaredcos_cap_v2"],
      ),
    )
    .option("--beta-start <b>", "first beta of a linear schedule (default: 0.0001)", number)
    .option("--beta-end <b>", "last beta of a linear schedule (default: 0.02)", number)
    .option("--timesteps <n>", "timesteps of the schedule (default: 1000)", count)
    .option("--zero-terminal-snr", "the schedule ends without any signal")
    .option("--fp16", "16-bit weights and features, but for norms, softmax, embedding and the last layer")
    .option("--batch <n>", "fix the batch (default: any)", count)
    .option("--height <n>", "fix the height (default: any)", count)
    .option("--width <n>", "fix the width (default: any)", count)
    .addOption(choice("--opset <n>", "ONNX operator set (default: 17)", ["17", "18"]))
    .option("--external-data", "keep the weights in <file.onnx>.data even if the model is below 2 GiB")
    .option("--licence <note>", "note on the weights' licence, kept in model and card")
    .option("--force", "overwrite an earlier model")
    .option("--json", "print one JSON object");
}

/** Betas of these schedules are given by their ends. */
const linear = ["linear", "scaled_linear"];

/**
 * The schedule the flags give; undefined if none of them is there.
 * @throws InputError for a beta outside (0, 1), or ends of a schedule that has none
 */
export function scheduleOf(flags: ImportFlags): BetaSchedule | undefined {
  const { betaSchedule = "linear", betaStart, betaEnd, timesteps, zeroTerminalSnr } = flags;
  const given = [flags.betaSchedule, betaStart, betaEnd, timesteps, zeroTerminalSnr];
  if (given.every((flag) => flag === undefined)) return undefined;
  for (const [flag, beta] of [
    ["--beta-start", betaStart],
    ["--beta-end", betaEnd],
  ] as const) {
    if (beta === undefined) continue;
    if (!(beta > 0 && beta < 1)) throw new InputError(`${flag} ${beta}: betas lie between 0 and 1`);
    if (!linear.includes(betaSchedule)) {
      throw new InputError(`${flag} ${beta}: --beta-schedule ${betaSchedule} has no such end; leave it out`);
    }
  }
  const document = {
    beta_schedule: betaSchedule,
    beta_start: betaStart,
    beta_end: betaEnd,
    num_train_timesteps: timesteps,
    rescale_betas_zero_snr: zeroTerminalSnr,
  };
  return scheduleFromScheduler(document, "the command line").schedule;
}

/** The flags that answer for what tensors do not show. */
export const architectureFlags = ({
  heads,
  headsUpsample,
  headChannels,
  attentionOrder,
  imageSize,
}: ImportFlags): ArchitectureFlags => ({ heads, headsUpsample, headChannels, attentionOrder, imageSize });

/** What people call the families. */
export const familyTitles: Readonly<Record<Architecture["family"], string>> = {
  adm: "guided-diffusion (ADM)",
  ddpm: "pytorch_diffusion / SDEdit (DDPM)",
  diffusers: "diffusers UNet2DModel",
};
