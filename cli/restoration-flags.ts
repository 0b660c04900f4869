/** The flags that say how pictures are restored, of all commands that restore any. */
import { type Command, Option } from "commander";
import { defaultMethod, methodNames } from "../shared/chain/method.js";
import { defaultTolerance, planNames } from "../shared/config/restore-settings.js";
import { timestepSpacings } from "../shared/diffusion/noise-schedule.js";
import { taskNames } from "../shared/operators/task.js";
import { defaultMaxPixels } from "../shared/pictures/decode.js";
import { number } from "./service.js";

const choice = (flags: string, text: string, names: readonly string[]) =>
  new Option(flags, text).choices([...names]);

/** Adds them. Defaults are filled in later, so that a configuration file can come between. */
export function withRestorationFlags(command: Command): Command {
  return command
    .addOption(
      choice("--task <task>", "what happened to the pictures (required here or in the file)", taskNames),
    )
    .option("--scale <n>", "sr-*: how many times larger the restored picture is (default: 4)", number)
    .option("--mask <file>", "inpaint: picture of the known pixels, white where known")
    .option("--ratio <r>", "cs-hadamard: measurements a pixel, up to 1 (default: 0.5)", number)
    .option("--permutation-seed <n>", "cs-hadamard: seed of the choice of coordinates (default: 0)", number)
    .addOption(
      choice("--blur-form <form>", "deblur-*: the true blur, or DeqIR's (default: exact)", [
        "exact",
        "deqir",
      ]),
    )
    .option("--simulate", "inputs are clean: damage them first, save that, and report PSNR and SSIM")
    .option("--no-simulate")
    .option("--steps <n>", "steps T of the chain (default: 25)", number)
    .option("--start <t>", "diffusion time the chain starts below, up to 1000 (default: 1000)", number)
    .addOption(choice("--spacing <name>", "how timesteps are spread (default: uniform)", timestepSpacings))
    .option("--etw <w>", "how much of the predicted noise is dropped, 0 to 1 (default: 0)", number)
    .option("--nw <w>", "how much fresh noise is added (default: 0)", number)
    .option("--seed <n>", "seed of all noise (default: 0)", number)
    .addOption(choice("--plan <plan>", "how the workers are spent (default: auto)", planNames))
    .addOption(
      choice("--method <name>", `how a cut chain is solved (default: ${defaultMethod})`, methodNames),
    )
    .option(
      "--tol <t>",
      `residual allowed, relative to the noise level (default: ${defaultTolerance})`,
      number,
    )
    .option("--max-rounds <n>", "rounds allowed (default: as many as it takes, at most T)", number)
    .option(
      "--window <n>",
      "steps evaluated in a round, 1 to T (default: all; a quarter for paradigms)",
      number,
    )
    .option("--max-pixels <n>", `refuse pictures with more pixels (default: ${defaultMaxPixels})`, number);
}
