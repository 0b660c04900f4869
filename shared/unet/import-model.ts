/** Turns a checkpoint into the graph of a noise estimator, and says what it is. */
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import { InputError } from "../errors.js";
import { GraphBuilder, type WeightType } from "../onnx/graph-builder.js";
import { type Architecture, architectureSchemas, sizeMultipleOf } from "./architecture.js";
import { type BetaSchedule, linearSchedule, type Prediction } from "./beta-schedule.js";
import { readDiffusersFolder } from "./diffusers-config.js";
import { type ArchitectureFlags, inferArchitecture, inferFamily } from "./infer-architecture.js";
import { Layers } from "./layers.js";
import { CheckpointTensors, currentNames, unusedTensors } from "./network-tensors.js";
import { parseDocument } from "./parse-document.js";
import { noiseEstimate } from "./prediction.js";
import { expectedTensors, parameterCount, writeNetwork } from "./write-network.js";

/** Dimensions written as constants instead of being left to each run. */
export interface FixedDimensions {
  readonly batch?: number;
  readonly height?: number;
  readonly width?: number;
}

/** What to import, and how. */
export interface ImportOptions {
  readonly checkpoint: Checkpoint;
  /** Given by preset or file; read from a diffusers folder's config.json, or inferred, where absent. */
  readonly architecture?: Architecture;
  /** Answers for the inference; only without `architecture`. */
  readonly flags?: ArchitectureFlags;
  /** Of weights and features outside the float32 islands; float32 where absent. */
  readonly precision?: WeightType;
  /** What the network predicts; a diffusers scheduler's word, else epsilon, where absent. */
  readonly prediction?: Prediction;
  /** The schedule it was trained on; a diffusers scheduler's, else linear 1e-4..0.02 over 1000, where absent. */
  readonly schedule?: BetaSchedule;
  /** A note on the weights' licence, kept in the file. */
  readonly licence?: string;
  readonly fixed?: FixedDimensions;
  /** ONNX operator set; 17 where absent. */
  readonly opset?: 17 | 18;
}

/** What is kept beside the model, as JSON. The engine reads `sizeMultiple`. */
export interface ModelCard {
  readonly family: Architecture["family"];
  readonly architecture: Architecture;
  readonly parameters: number;
  readonly precision: WeightType;
  /** What the checkpoint predicts; the graph's output is the noise estimate whatever it is. */
  readonly prediction: Prediction;
  readonly schedule: BetaSchedule;
  /** Height and width of pictures are multiples of this. */
  readonly sizeMultiple: number;
  /** SHA-256 of the checkpoint, hex. */
  readonly source_sha256: string;
  readonly licence?: string;
}

/** A graph ready to be written. Its weights are read from the checkpoint then: close that one afterwards. */
export interface ImportedModel {
  readonly graph: GraphBuilder;
  readonly architecture: Architecture;
  /** Tensors of the file the network has no use for. */
  readonly unused: readonly string[];
  /** Values of all tensors used. */
  readonly parameters: number;
  readonly card: ModelCard;
}

function checkFixed({ batch, height, width }: FixedDimensions, multiple: number): void {
  for (const [flag, value, divisor] of [
    ["--batch", batch, 1],
    ["--height", height, multiple],
    ["--width", width, multiple],
  ] as const) {
    if (value !== undefined && (!Number.isInteger(value) || value < 1 || value % divisor !== 0)) {
      throw new InputError(`${flag} ${value}: this network needs a positive multiple of ${divisor}`);
    }
  }
  if ((height === undefined) !== (width === undefined)) {
    throw new InputError(
      `--height ${height ?? "missing"}, --width ${width ?? "missing"}: fix both or neither`,
    );
  }
}

/** What is known of the checkpoint before its tensors are looked at. */
async function describe(options: ImportOptions, tensors: ReturnType<typeof currentNames>) {
  const { checkpoint, architecture, flags = {} } = options;
  const { source } = checkpoint;
  const given = Object.entries(flags).find(([key, value]) => value !== undefined && key !== "imageSize");
  const family = inferFamily(tensors, source);
  if (given !== undefined && (architecture !== undefined || family !== "adm")) {
    const flag = `--${given[0].replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} ${given[1]}`;
    throw new InputError(
      architecture === undefined
        ? `${flag}: only guided-diffusion networks leave open how attention is split, and ${source} is of the family ${family}; leave the flag out`
        : `${flag}: the architecture is given and already says how attention is split; leave one of the two out`,
    );
  }
  const folder = family === "diffusers" ? await readDiffusersFolder(source) : undefined;
  const known = architecture ?? folder?.architecture ?? inferArchitecture(tensors, flags, source);
  const found = flags.imageSize === undefined ? known : { ...known, image_size: flags.imageSize };
  return {
    architecture: parseDocument(architectureSchemas[found.family], found, source),
    prediction: options.prediction ?? folder?.prediction ?? "epsilon",
    schedule: options.schedule ?? folder?.schedule ?? linearSchedule,
  };
}

/**
 * The graph of a checkpoint: inputs x [N, 3, H, W] in [-1, 1] and t [N], output eps [N, 3, H, W], all float32. No value
 * is read yet.
 * @throws InputError if the architecture cannot be told, or a tensor is missing or of another shape
 */
export async function importModel(options: ImportOptions): Promise<ImportedModel> {
  const { checkpoint, precision = "float32", licence, fixed = {}, opset } = options;
  const tensors = currentNames(checkpoint);
  const { architecture, prediction, schedule } = await describe(options, tensors);
  const sizeMultiple = sizeMultipleOf(architecture);
  checkFixed(fixed, sizeMultiple);
  const expected = expectedTensors(architecture);
  const unused = unusedTensors(expected, tensors, checkpoint.source);

  const graph = new GraphBuilder(`${architecture.family}-unet`, { opset });
  const { batch = "N", height, width } = fixed;
  const size = height !== undefined && width !== undefined ? { height, width } : undefined;
  const dims = [batch, 3, height ?? "H", width ?? "W"];
  const x = graph.input("x", dims);
  const t = graph.input("t", [batch]);
  const layers = new Layers(graph, new CheckpointTensors(tensors, checkpoint.source), precision, size);
  const predicted = writeNetwork(layers, architecture, x, t);
  graph.output("eps", noiseEstimate(graph, prediction, schedule, { predicted, x, t }), dims);

  const card: ModelCard = {
    family: architecture.family,
    architecture,
    parameters: parameterCount(expected),
    precision,
    prediction,
    schedule,
    sizeMultiple,
    source_sha256: await checkpoint.sha256(),
    ...(licence === undefined ? {} : { licence }),
  };
  for (const [key, value] of Object.entries(card)) {
    graph.metadata(key, typeof value === "string" ? value : JSON.stringify(value));
  }
  return { graph, architecture, unused, parameters: card.parameters, card };
}
