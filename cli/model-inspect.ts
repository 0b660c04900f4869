/** `deqfleet model inspect`: what a model takes and gives, how large it is, what it costs, where it comes from. */
import { basename, resolve } from "node:path";
import { Command } from "commander";
import { InputError } from "../shared/errors.js";
import { inspectModel, type ModelInspection } from "../shared/onnx/inspect-model.js";
import type { EvaluationSize } from "../shared/onnx/multiply-adds.js";
import { type ModelValue, readModel } from "../shared/onnx/read-model.js";
import { exitCodes } from "./exit-codes.js";
import { count, pictureSize } from "./model-arguments.js";
import { bytesText, countText, largeText, pairsText, settingsText } from "./model-text.js";
import type { CommandSurroundings } from "./restore.js";

interface InspectFlags {
  readonly size?: Required<Pick<EvaluationSize, "height" | "width">>;
  readonly batch?: number;
  readonly json?: boolean;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A metadata value that is JSON, parsed; text of other writers as it is. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The side of the pictures a network was trained on, as an importer noted it. */
function trainedSide(metadata: ReadonlyMap<string, string>): number | undefined {
  const architecture = parsed(metadata.get("architecture") ?? "null");
  const side = isRecord(architecture) ? architecture.image_size : undefined;
  return typeof side === "number" ? side : undefined;
}

/** The size whose cost is told: the one asked for, the one the model fixes, or the one it was trained on. */
async function sizeOf(path: string, { size, batch }: InspectFlags): Promise<EvaluationSize | undefined> {
  const asked = { ...size, ...(batch === undefined ? {} : { batch }) };
  const { inputs, metadata } = await readModel(path);
  if (size !== undefined) {
    const multiple = Number(metadata.get("sizeMultiple") ?? 1);
    if (size.height % multiple !== 0 || size.width % multiple !== 0) {
      throw new InputError(
        `--size ${size.height}x${size.width}: this network takes multiples of ${multiple} pixels`,
      );
    }
    return asked;
  }
  const [, , height, width] = inputs.find(({ dims }) => dims.length === 4)?.dims ?? [];
  if (typeof height === "number" && typeof width === "number") return asked;
  const side = trainedSide(metadata);
  return side === undefined ? undefined : { ...asked, height: side, width: side };
}

const valueText = ({ name, elementType, dims }: ModelValue): string =>
  `${name} ${elementType} [${dims.join(", ")}]`;

const shapesText = (shapes: ReadonlyMap<string, readonly number[]>): string =>
  [...shapes].map(([name, dims]) => `${name} [${dims.join(", ")}]`).join(", ");

/** Other writers may note anything, a whole vocabulary even. */
const longestNote = 1000;

function metadataText(text: string): string {
  const value = parsed(text);
  if (typeof value === "number") return countText(value);
  // An architecture repeats its family, which is noted by itself.
  const shown = isRecord(value) ? settingsText({ ...value, family: undefined }) : text;
  return shown.length > longestNote ? `${shown.slice(0, longestNote)}...` : shown;
}

/** What the importer notes and is shown elsewhere. */
const shownApart = new Set(["parameters"]);

function inspectionText(path: string, found: ModelInspection): string {
  const { metadata, cost, weightBytes } = found;
  const noted = metadata.get("parameters");
  // The weights of the graph may be other than those of the checkpoint: some are joined, some unfolded.
  const parameters = noted === undefined ? found.parameters : Number(noted);
  const weights = [...weightBytes].map(([type, bytes]) => `${type} ${bytesText(bytes)}`).join(", ");
  const counted = cost?.operators.filter(({ multiplyAdds }) => multiplyAdds > 0) ?? [];
  return pairsText([
    ["file", found.files.map(({ path: file, bytes }) => `${file} (${bytesText(bytes)})`)],
    ["graph", `${found.name}, ${countText(found.nodes)} nodes, opset ${found.opset}`],
    ["written by", `${found.producer.name} ${found.producer.version}`.trim() || "unknown"],
    ["inputs", found.inputs.map(valueText)],
    ["outputs", found.outputs.map(valueText)],
    ["parameters", countText(parameters)],
    ["weights", weights || "none"],
    ...[...metadata]
      .filter(([key]) => !shownApart.has(key))
      .map(([key, value]) => [key, metadataText(value)] as const),
    [
      "multiply-adds",
      cost === undefined
        ? `depend on the size: ask with --size, as in deqfleet model inspect ${basename(path)} --size 256`
        : [
            `${largeText(cost.total)} for ${shapesText(cost.shapes)}`,
            ...counted.map(
              ({ op, nodes, multiplyAdds }) => `${largeText(multiplyAdds)} in ${nodes} ${op} nodes`,
            ),
          ],
    ],
    ["sha256", found.sha256],
  ]);
}

async function inspect(
  file: string,
  flags: InspectFlags,
  { console, cwd }: CommandSurroundings,
): Promise<number> {
  const path = resolve(cwd, file);
  const found = await inspectModel(path, { size: await sizeOf(path, flags) });
  if (!flags.json) {
    console.stdout.write(inspectionText(path, found));
    return exitCodes.ok;
  }
  const { cost } = found;
  const document = {
    ...found,
    weightBytes: Object.fromEntries(found.weightBytes),
    metadata: Object.fromEntries([...found.metadata].map(([key, value]) => [key, parsed(value)])),
    ...(cost && { cost: { ...cost, shapes: Object.fromEntries(cost.shapes) } }),
  };
  console.stdout.write(`${JSON.stringify(document)}\n`);
  return exitCodes.ok;
}

/** The command; `done` receives its exit code. */
export function inspectCommand(surroundings: CommandSurroundings, done: (exitCode: number) => void): Command {
  return new Command("inspect")
    .description("tell what a model takes and gives, its size, its cost and its origin")
    .argument("<file>", "model, ONNX")
    .option(
      "--size <size>",
      "picture size whose multiply-adds are counted: 256 or HxW (default: the size fixed in the model, or trained on)",
      pictureSize,
    )
    .option("--batch <n>", "pictures a call (default: 1)", count)
    .option("--json", "print one JSON object")
    .action(async (file: string, flags: InspectFlags) => {
      done(await inspect(file, flags, surroundings));
    });
}
