/** `deqfleet model verify`: does a model give what was recorded? */
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { Command } from "commander";
import { InputError } from "../shared/errors.js";
import { type CaseErrors, defaultTolerance, verifyModel } from "../shared/onnx/verify-model.js";
import { exitCodes } from "./exit-codes.js";
import { count, number } from "./model-arguments.js";
import type { CommandSurroundings } from "./restore.js";

interface VerifyFlags {
  readonly against: string;
  readonly tolerance?: number;
  readonly threads?: number;
  readonly json?: boolean;
}

const caseText = ({ name, dims, batch, relative, largest, passed }: CaseErrors): string => {
  const what = `${name === "" ? "" : `${name}: `}[${dims.join(", ")}], ${batch} a call`;
  return `${what}: relative error ${relative.toExponential(2)}, largest difference ${largest.toExponential(2)}${passed ? "" : ": out of tolerance"}`;
};

async function verify(
  file: string,
  { against, tolerance, threads = availableParallelism(), json = false }: VerifyFlags,
  { console, cwd }: CommandSurroundings,
): Promise<number> {
  if (tolerance !== undefined && tolerance <= 0) {
    throw new InputError(`--tolerance ${tolerance}: give a relative error above 0, as in 1e-4`);
  }
  // Nothing is written, so signals keep their effect: they end the process, even in the middle of a run.
  const verification = await verifyModel(resolve(cwd, file), resolve(cwd, against), { threads, tolerance });
  const { cases, passed } = verification;
  if (json) {
    console.stdout.write(`${JSON.stringify(verification)}\n`);
  } else {
    for (const one of cases) console.stdout.write(`${caseText(one)}\n`);
    const failed = cases.filter((one) => !one.passed).length;
    const verdict = passed ? "agrees" : `differs in ${failed} of ${cases.length} cases`;
    console.stdout.write(`${file} ${verdict}, tolerance ${verification.tolerance}\n`);
  }
  return passed ? exitCodes.ok : exitCodes.outOfTolerance;
}

/** The command; `done` receives its exit code. */
export function verifyCommand(surroundings: CommandSurroundings, done: (exitCode: number) => void): Command {
  return new Command("verify")
    .description("compare a model's outputs with recorded ones")
    .argument("<file>", "model, ONNX")
    .requiredOption("--against <file>", "recorded inputs and outputs, safetensors: x, t and eps (or out)")
    .option(
      "--tolerance <e>",
      `relative error allowed (default: ${defaultTolerance.float32}, with float16 weights ${defaultTolerance.float16})`,
      number,
    )
    .option("--threads <n>", "threads of ONNX Runtime (default: one a core)", count)
    .option("--json", "print one JSON object")
    .action(async (file: string, flags: VerifyFlags) => {
      done(await verify(file, flags, surroundings));
    });
}
