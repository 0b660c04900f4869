/** `deqfleet plan`: how `deqfleet restore` with the same options would spend its workers, and what else was considered. */
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { startLocalFleet } from "../coordinator/local-fleet.js";
import { durationText, isSame, type PlanOption } from "../coordinator/planner/choose-plan.js";
import type { RunPlan } from "../coordinator/planner/plan-run.js";
import { cacheFolder } from "../coordinator/planner/worker-costs.js";
import { type PlannedRestore, planRestore } from "../coordinator/restore/plan-restore.js";
import { readConfigFile } from "../shared/config/config-file.js";
import { flagOf } from "../shared/config/options.js";
import { checkOptions, resolveRestoreSettings } from "../shared/config/restore-settings.js";
import { packageRoot } from "../shared/package-root.js";
import { exitCodes } from "./exit-codes.js";
import { withInterruption } from "./interruption.js";
import { type CommandSurroundings, restoreCommand } from "./restore.js";

/** Options printed; there is one for every number of slices. */
const optionsShown = 10;

const source: Readonly<Record<RunPlan["costs"], string>> = {
  measured: "costs of network calls measured just now, and kept for the next time",
  cached: "costs of network calls as measured earlier",
  unknown: "costs unknown: times are in network evaluations of one state",
};

/** The plan as text, the chosen option marked. */
export function planText({ plan, pictures, size, workers, threads }: PlannedRestore): string {
  const { costs, options } = plan;
  const time = (value: number) =>
    costs === "unknown" ? String(Number(value.toPrecision(3))) : durationText(value);
  const isChosen = (option: PlanOption) => isSame(option, plan);
  const shown = options.filter((option, i) => i < optionsShown || isChosen(option));
  const header = ["", "PLAN", "AT A TIME", "SLICES", "IN ALL", "A PICTURE", "EVALUATIONS"];
  const rows = shown.map((option) => [
    isChosen(option) ? "*" : "",
    option.plan,
    String(option.sideBySide),
    String(option.slices),
    time(option.seconds),
    time(option.latency),
    String(option.evaluations),
  ]);
  const widths = header.map((_, i) => Math.max(...[header, ...rows].map((row) => row[i].length)));
  const lines = [header, ...rows].map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]))
      .join("  ")
      .trimEnd(),
  );
  const fleet = `${workers} worker${workers === 1 ? "" : "s"} of ${threads} thread${threads === 1 ? "" : "s"}`;
  const what = `${pictures} picture${pictures === 1 ? "" : "s"} of ${size.width}x${size.height}, ${fleet}; ${source[costs]}`;
  return `${what}\n\n${lines.join("\n")}\n\n${plan.reason}\n`;
}

function planJson({ plan, ...asked }: PlannedRestore): string {
  const { chosen, goal, costs, reason, options } = plan;
  const each = options.map((option) => {
    const { groups: _, ...rest } = option;
    return { ...rest, chosen: option.plan === plan.plan && option.slices === plan.slices };
  });
  return `${JSON.stringify({ ...asked, goal, chosen, costs, reason, options: each })}\n`;
}

async function plan(
  inputs: readonly string[],
  { config, ...given }: Record<string, unknown>,
  { console, cwd, signals, exit, startFleet = startLocalFleet }: CommandSurroundings,
): Promise<number> {
  const flags = checkOptions(given, flagOf);
  const file = typeof config === "string" ? await readConfigFile(resolve(cwd, config)) : {};
  const defaultModel = fileURLToPath(new URL("models/prior.onnx", packageRoot));
  // Nothing is written, so nobody has to say where to.
  const out = resolve(cwd, "restored");
  const settings = resolveRestoreSettings(inputs, flags, { out, ...file }, { cwd, defaultModel });
  const interruption = { source: signals, onFirst: () => {}, kill: () => exit(exitCodes.interrupted) };
  const planned = await withInterruption(interruption, (signal) =>
    planRestore({ settings, startFleet, signal, cwd, cache: cacheFolder(), cores: availableParallelism() }),
  );
  console.stdout.write(flags.json || file.json ? planJson(planned) : planText(planned));
  return exitCodes.ok;
}

/** Adds the command to the program; `done` receives its exit code. */
export function addPlan(
  program: Command,
  surroundings: CommandSurroundings,
  done: (exitCode: number) => void,
): void {
  const command = restoreCommand("plan").description(
    "show how restore, with the same inputs and options, would spend its workers",
  );
  program.addCommand(
    command.action(async (inputs: string[], options: Record<string, unknown>) => {
      done(await plan(inputs, options, surroundings));
    }),
  );
}
