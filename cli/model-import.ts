/** `deqfleet model import`: from a checkpoint to a model and its card. */
import { rm } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Command } from "commander";
import type { Checkpoint } from "../shared/checkpoint/checkpoint.js";
import { openCheckpoint } from "../shared/checkpoint/open-checkpoint.js";
import { inspectModel, type ModelFile } from "../shared/onnx/inspect-model.js";
import { writeModel } from "../shared/onnx/write-model.js";
import { writeFileAtomic } from "../shared/pictures/atomic-write.js";
import { linearSchedule } from "../shared/unet/beta-schedule.js";
import { networkFolderOf } from "../shared/unet/diffusers-config.js";
import { type ImportedModel, importModel } from "../shared/unet/import-model.js";
import { isPresetName } from "../shared/unet/presets.js";
import { type DescribedNetwork, readArchitecture } from "../shared/unet/read-architecture.js";
import { exitCodes } from "./exit-codes.js";
import { withInterruption } from "./interruption.js";
import { type ModelFiles, modelFiles, refuseExisting, removeModel, removeUnfinished } from "./model-files.js";
import {
  architectureFlags,
  familyTitles,
  type ImportFlags,
  importFlags,
  scheduleOf,
} from "./model-import-flags.js";
import { ProgressLine, reportingCheckpoint } from "./model-progress.js";
import { bytesText, countText, pairsText, settingsText } from "./model-text.js";
import type { CommandSurroundings } from "./restore.js";

/** What an import made. */
interface ImportResult {
  readonly imported: ImportedModel;
  readonly files: readonly ModelFile[];
  readonly card: string;
  /** Of the model, as `model inspect` gives it. */
  readonly sha256: string;
}

/** Writes model and card; when it throws, neither is there. */
async function writeFiles(
  imported: ImportedModel,
  files: ModelFiles,
  externalData: boolean,
  signal: AbortSignal,
): Promise<ImportResult> {
  const written = await writeModel(imported.graph, files.model, {
    externalData: externalData ? "always" : "auto",
    signal,
  });
  // The weights' file of an overwritten model is of no use without it.
  if (written.data === undefined) await rm(files.data, { force: true });
  try {
    const { sha256, files: modelParts } = await inspectModel(files.model);
    const parts = modelParts.map(({ path, ...part }) => ({ name: basename(path), ...part }));
    const card = { ...imported.card, sha256, files: parts };
    await writeFileAtomic(files.card, Buffer.from(`${JSON.stringify(card, undefined, 1)}\n`));
    return { imported, files: modelParts, card: files.card, sha256 };
  } catch (error) {
    await removeModel(files);
    throw error;
  }
}

/** Where on the way from the checkpoint's outermost wrapper the tensors were found. */
const originText = ({ source, format, unwrapped }: Checkpoint): string =>
  `${source} (${format}${unwrapped.length > 0 ? `, tensors under ${unwrapped.join(" > ")}` : ""})`;

function summaryText(checkpoint: Checkpoint, { imported, files, card, sha256 }: ImportResult): string {
  const { architecture, parameters, unused, card: told } = imported;
  const { family, ...settings } = architecture;
  const used = checkpoint.tensors.size - unused.length;
  return pairsText([
    ["checkpoint", originText(checkpoint)],
    ["family", familyTitles[family]],
    ["architecture", settingsText(settings)],
    ["parameters", `${countText(parameters)} in ${countText(used)} tensors`],
    ["unused tensors", unused.length > 0 ? unused : "none"],
    [
      "prediction",
      told.prediction === "epsilon" ? "epsilon" : `${told.prediction}, converted to epsilon in the graph`,
    ],
    ["schedule", settingsText(told.schedule)],
    ["precision", told.precision],
    ["picture sizes", `multiples of ${told.sizeMultiple}`],
    ...(told.licence === undefined ? [] : [["licence", told.licence] as const]),
    ["written", [...files.map(({ path, bytes }) => `${path} (${bytesText(bytes)})`), card]],
    ["sha256", sha256],
  ]);
}

/** What will surprise whoever restores with the model. */
function warnings({ card }: ImportedModel, { batch = 1 }: ImportFlags): string[] {
  const same = isDeepStrictEqual(card.schedule, linearSchedule);
  return [
    ...(same
      ? []
      : [
          `the network was trained on another noise schedule (${settingsText(card.schedule)}) than the chains of deqfleet restore run on (${settingsText(linearSchedule)}); pictures will be less good than it could make them`,
        ]),
    ...(batch === 1
      ? []
      : [`--batch ${batch}: deqfleet restore takes models of any batch or of batch 1 only`]),
  ];
}

const resultDocument = ({ imported, files, card, sha256 }: ImportResult, checkpoint: Checkpoint) => ({
  ...imported.card,
  checkpoint: { source: checkpoint.source, format: checkpoint.format, unwrapped: checkpoint.unwrapped },
  tensors: checkpoint.tensors.size,
  unused: imported.unused,
  files,
  card,
  sha256,
});

interface ImportRequest {
  readonly source: string;
  readonly described: DescribedNetwork | undefined;
  readonly files: ModelFiles;
  readonly flags: ImportFlags;
  readonly progress: ProgressLine;
}

/** Imports, and returns what is to be printed. */
async function importCheckpoint(
  request: ImportRequest,
  signal: AbortSignal,
): Promise<{ text: string; warnings: readonly string[] }> {
  const { source, described, files, flags, progress } = request;
  const opened = await openCheckpoint(source, { weights: flags.weights });
  try {
    const checkpoint = reportingCheckpoint(opened, (share) =>
      progress.draw(`writing ${files.model}: ${Math.floor(share * 100)}%`),
    );
    progress.draw(`reading ${opened.source}`);
    const { batch, height, width } = flags;
    const imported = await importModel({
      checkpoint,
      architecture: described?.architecture,
      flags: architectureFlags(flags),
      precision: flags.fp16 ? "float16" : "float32",
      prediction: flags.prediction ?? described?.prediction,
      schedule: scheduleOf(flags) ?? described?.schedule,
      licence: flags.licence,
      fixed: { batch, height, width },
      opset: flags.opset === "18" ? 18 : 17,
    });
    signal.throwIfAborted();
    const result = await writeFiles(imported, files, flags.externalData ?? false, signal);
    const text = flags.json
      ? `${JSON.stringify(resultDocument(result, opened))}\n`
      : summaryText(opened, result);
    return { text, warnings: warnings(imported, flags) };
  } finally {
    await opened.close();
  }
}

async function runImport(
  checkpoint: string,
  flags: ImportFlags,
  { console, cwd, signals, exit }: CommandSurroundings,
): Promise<number> {
  const files = modelFiles(flags.out, cwd);
  const source = resolve(cwd, checkpoint);
  // A preset's name may also be that of a file: then the preset is meant.
  const arch = flags.arch === undefined || isPresetName(flags.arch) ? flags.arch : resolve(cwd, flags.arch);
  await refuseExisting(files, {
    force: flags.force ?? false,
    sources: arch === undefined ? [source] : [source, arch],
  });
  const described = arch === undefined ? undefined : await readArchitecture(arch);
  const progress = new ProgressLine(console.stderr);
  const handling = {
    source: signals,
    onFirst: () => {
      progress.clear();
      console.stderr.write("deqfleet: stopping; interrupt again to stop at once\n");
    },
    kill: () => {
      removeUnfinished(files);
      exit(exitCodes.interrupted);
    },
  };
  return await withInterruption(handling, async (signal) => {
    try {
      const folder = await networkFolderOf(source);
      const request = { source: folder, described, files, flags, progress };
      const told = await importCheckpoint(request, signal);
      progress.clear();
      for (const warning of told.warnings) console.stderr.write(`deqfleet: warning: ${warning}\n`);
      console.stdout.write(told.text);
      return exitCodes.ok;
    } catch (error) {
      progress.clear();
      if (signal.aborted) return exitCodes.interrupted;
      throw error;
    }
  });
}

/** The command; `done` receives its exit code. */
export function importCommand(surroundings: CommandSurroundings, done: (exitCode: number) => void): Command {
  return importFlags().action(async (checkpoint: string, flags: ImportFlags) => {
    done(await runImport(checkpoint, flags, surroundings));
  });
}
