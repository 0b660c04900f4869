/** Compares a model's outputs with recorded ones: what `deqfleet model verify` prints. */
import * as ort from "onnxruntime-node";
import { DeqfleetError, InputError } from "../errors.js";
import { type Model, type ModelValue, readModel } from "./read-model.js";
import { type RecordedCase, readRecordedCases } from "./recorded-cases.js";
import { sessionOptions } from "./session.js";

/** Largest relative error that passes by default: of float32 models, and of models with float16 weights. */
export const defaultTolerance = { float32: 1e-4, float16: 2e-2 } as const;

/** How a model is verified. */
export interface VerifyOptions {
  /** Threads of one operator, 1 or more. */
  readonly threads: number;
  /** Largest relative error that passes; see {@link defaultTolerance}. */
  readonly tolerance?: number;
  readonly signal?: AbortSignal;
}

/** Errors of one recorded case, evaluated `batch` pictures at a time. */
export interface CaseErrors {
  /** Name of the case in the file, "" when it has none. */
  readonly name: string;
  /** [N, C, H, W] as recorded. */
  readonly dims: readonly number[];
  readonly batch: number;
  /** ||a - b|| / ||b|| over the whole case, a the model's output and b the recorded one. */
  readonly relative: number;
  /** Largest |a - b|. */
  readonly largest: number;
  readonly passed: boolean;
}

/** The outcome for all cases. */
export interface Verification {
  readonly cases: readonly CaseErrors[];
  readonly tolerance: number;
  readonly passed: boolean;
}

/** The model's picture and time inputs: by name, else by rank where there are just two. */
function ports(model: Model): { x: ModelValue; t: ModelValue; eps: ModelValue } {
  const { inputs, outputs } = model;
  const byName = (name: string) => inputs.find((input) => input.name === name);
  const two = inputs.length === 2;
  const x = byName("x") ?? (two ? inputs.find(({ dims }) => dims.length === 4) : undefined);
  const t =
    byName("t") ?? byName("timestep") ?? (two ? inputs.find(({ dims }) => dims.length < 4) : undefined);
  const eps = outputs.find(({ name }) => name === "eps") ?? (outputs.length === 1 ? outputs[0] : undefined);
  if (!x || !t || !eps || inputs.length !== 2) {
    throw new InputError(
      `${model.path}: expected inputs x and t and the output eps, has inputs ${inputs.map(({ name }) => name).join(", ")} and outputs ${outputs.map(({ name }) => name).join(", ")}`,
    );
  }
  return { x, t, eps };
}

/** Pictures a call: all at once and one by one, or what the model fixes. */
function batches(model: Model, x: ModelValue, { name, dims }: RecordedCase): number[] {
  for (const [axis, dim] of x.dims.entries()) {
    if (axis > 0 && typeof dim === "number" && dim !== dims[axis]) {
      throw new InputError(
        `${model.path}: takes ${x.name} [${x.dims.join(", ")}], but the case ${name || "x"} was recorded at [${dims.join(", ")}]`,
      );
    }
  }
  const fixed = x.dims[0];
  if (typeof fixed !== "number") return [...new Set([dims[0], 1])];
  if (dims[0] % fixed === 0) return [fixed];
  throw new InputError(
    `${model.path}: takes ${fixed} pictures a call, which does not divide the ${dims[0]} of the case ${name || "x"}`,
  );
}

function timeTensor(t: ModelValue, values: readonly number[]): ort.Tensor {
  const dims = t.dims.length === 0 && values.length === 1 ? [] : [values.length];
  if (t.elementType === "int64")
    return new ort.Tensor(
      "int64",
      BigInt64Array.from(values, (v) => BigInt(Math.trunc(v))),
      dims,
    );
  return new ort.Tensor("float32", Float32Array.from(values), dims);
}

/** Evaluates a case `batch` pictures at a time and returns the noise estimates of all, [N, C, H, W]. */
async function evaluate(
  session: ort.InferenceSession,
  model: Model,
  recorded: RecordedCase,
  batch: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const { x, t, eps } = ports(model);
  const [pictures, ...size] = recorded.dims;
  const picture = recorded.x.length / pictures;
  const all = new Float32Array(recorded.x.length);
  for (let at = 0; at < pictures; at += batch) {
    signal?.throwIfAborted();
    const values = recorded.x.slice(at * picture, (at + batch) * picture);
    const fetched = await session.run({
      [x.name]: new ort.Tensor("float32", values, [batch, ...size]),
      [t.name]: timeTensor(t, recorded.t.slice(at, at + batch)),
    });
    const { data, dims } = fetched[eps.name];
    if (!(data instanceof Float32Array) || data.length !== values.length) {
      throw new InputError(
        `${model.path}: the output ${eps.name} is ${fetched[eps.name].type} [${dims.join(", ")}], the recorded one float32 [${[batch, ...size].join(", ")}]`,
      );
    }
    all.set(data, at * picture);
  }
  return all;
}

/** Relative error and largest difference; a value that is not finite makes both infinite. */
export function compareOutputs(
  found: Float32Array,
  expected: Float32Array,
): { relative: number; largest: number } {
  let squares = 0;
  let reference = 0;
  let largest = 0;
  for (const [at, value] of expected.entries()) {
    const difference = Math.abs(found[at] - value);
    if (!Number.isFinite(difference)) return { relative: Infinity, largest: Infinity };
    squares += difference ** 2;
    reference += value ** 2;
    largest = Math.max(largest, difference);
  }
  return { relative: squares === 0 ? 0 : Math.sqrt(squares / reference), largest };
}

/**
 * Runs a model by path in ONNX Runtime on the recorded inputs and compares. Models of a dynamic batch are evaluated twice:
 * all pictures of a case at once, and one by one. The calling thread is busy during every run.
 * @param recordedPath safetensors of the layout given in recorded-cases.ts
 * @throws InputError if a file is damaged, ONNX Runtime refuses the model, or model and recording do not fit
 */
export async function verifyModel(
  modelPath: string,
  recordedPath: string,
  options: VerifyOptions,
): Promise<Verification> {
  const model = await readModel(modelPath);
  const { x, t, eps } = ports(model);
  if (
    x.elementType !== "float32" ||
    eps.elementType !== "float32" ||
    !["float32", "int64"].includes(t.elementType)
  ) {
    throw new InputError(
      `${modelPath}: x and eps must be float32 and t float32 or int64, are ${x.elementType}, ${eps.elementType}, ${t.elementType}`,
    );
  }
  const recorded = await readRecordedCases(recordedPath);
  const half = model.initializers.some(
    ({ elementType }) => elementType === "float16" || elementType === "bfloat16",
  );
  const tolerance = options.tolerance ?? defaultTolerance[half ? "float16" : "float32"];
  const planned = recorded.map((one) => ({ one, batches: batches(model, x, one) }));
  let session: ort.InferenceSession;
  try {
    session = await ort.InferenceSession.create(modelPath, sessionOptions(options));
  } catch (cause) {
    throw new InputError(`${modelPath}: ONNX Runtime refuses the model: ${DeqfleetError.messageOf(cause)}`, {
      cause,
    });
  }
  try {
    const cases: CaseErrors[] = [];
    for (const { one, batches: sizes } of planned) {
      for (const batch of sizes) {
        const errors = compareOutputs(await evaluate(session, model, one, batch, options.signal), one.eps);
        cases.push({
          name: one.name,
          dims: one.dims,
          batch,
          ...errors,
          passed: errors.relative <= tolerance,
        });
      }
    }
    return { cases, tolerance, passed: cases.every(({ passed }) => passed) };
  } finally {
    await session.release();
  }
}
