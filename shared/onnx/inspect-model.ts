/** What `deqfleet model inspect` tells about a model file: its face, its size, its cost, and the hash that names it. */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DeqfleetError, InputError } from "../errors.js";
import { isBuilderConstant } from "./graph-builder.js";
import { elementCount } from "./graph-contents.js";
import { type EvaluationCost, type EvaluationSize, multiplyAdds } from "./multiply-adds.js";
import type { ElementType } from "./onnx-proto.js";
import { type Model, type ModelValue, readModel } from "./read-model.js";

/** A file the model consists of. */
export interface ModelFile {
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 in hex. */
  readonly sha256: string;
}

/** What a model file holds. */
export interface ModelInspection {
  readonly name: string;
  readonly producer: { readonly name: string; readonly version: string };
  readonly irVersion: number;
  readonly opset: number;
  readonly inputs: readonly ModelValue[];
  readonly outputs: readonly ModelValue[];
  readonly nodes: number;
  /** Elements of the floating-point weights; constants of the computation that deqfleet's own graphs hold are left out. */
  readonly parameters: number;
  /** Bytes of the weights by element type. */
  readonly weightBytes: ReadonlyMap<ElementType, number>;
  /** The model file and the files its weights lie in, in the order they are first named. */
  readonly files: readonly ModelFile[];
  /** SHA-256 of the files' bytes one after the other: the file's own hash where there is one file. */
  readonly sha256: string;
  /** Family, source hash, schedule, licence note and whatever else the writer noted. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Cost of one evaluation, where a size was asked for. */
  readonly cost?: EvaluationCost;
}

/** Feeds a file's bytes to its own hash and to the hash of all. */
async function hashFile(path: string, all: Hash, signal?: AbortSignal): Promise<ModelFile> {
  const own = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal })) {
    const part = chunk as Buffer;
    own.update(part);
    all.update(part);
    bytes += part.byteLength;
  }
  return { path, bytes, sha256: own.digest("hex") };
}

/**
 * The files a model's weights lie in beside the model file, in the order they are first named.
 * @throws InputError naming the weight and the file if the file is missing or too short
 */
export async function externalFiles(model: Model): Promise<string[]> {
  const sizes = new Map<string, number>();
  for (const { name, external } of model.initializers) {
    if (external === undefined) continue;
    const path = join(dirname(model.path), external.location);
    if (!sizes.has(path)) {
      try {
        sizes.set(path, (await stat(path)).size);
      } catch (cause) {
        throw new InputError(
          `${model.path}: its weights lie in ${path}, which cannot be read (${DeqfleetError.messageOf(cause)}); keep both files in one folder`,
          { cause },
        );
      }
    }
    const end = external.offset + external.length;
    const size = sizes.get(path) ?? 0;
    if (end > size) {
      throw new InputError(
        `${model.path}: the weight ${name} ends at byte ${end} of ${path}, which has only ${size}`,
      );
    }
  }
  return [...sizes.keys()];
}

/**
 * Inspects a model file without loading its weights.
 * @param size the size whose cost is wanted; left out, no cost is given
 * @throws InputError if the file or its weights' file cannot be read, is damaged, or the cost cannot be inferred
 */
export async function inspectModel(
  path: string,
  options: { readonly size?: EvaluationSize; readonly signal?: AbortSignal } = {},
): Promise<ModelInspection> {
  const model = await readModel(path);
  const weightBytes = new Map<ElementType, number>();
  let parameters = 0;
  for (const { name, elementType, dims, bytes } of model.initializers) {
    if (!elementType.includes("float") || isBuilderConstant(name)) continue;
    parameters += elementCount(dims);
    weightBytes.set(elementType, (weightBytes.get(elementType) ?? 0) + bytes);
  }
  const cost = options.size && multiplyAdds(model, options.size);
  const all = createHash("sha256");
  const files: ModelFile[] = [];
  for (const file of [path, ...(await externalFiles(model))]) {
    files.push(await hashFile(file, all, options.signal));
  }
  return {
    name: model.name,
    producer: model.producer,
    irVersion: model.irVersion,
    opset: model.opset,
    inputs: model.inputs,
    outputs: model.outputs,
    nodes: model.nodes.length,
    parameters,
    weightBytes,
    files,
    sha256: all.digest("hex"),
    metadata: model.metadata,
    ...(cost && { cost }),
  };
}
