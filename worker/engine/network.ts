/** The diffusion prior: an ONNX network that estimates the noise in a batch of states. */
import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-node";
import { z } from "zod";
import { cpuRoundPixels, gpuCallPixels, largestCallPixels } from "../../shared/chain/batch-limits.js";
import type { NetworkCard } from "../../shared/chain/network-card.js";
import { DeqfleetError, InputError } from "../../shared/errors.js";
import { freeOutput } from "../../shared/onnx/free-output.js";
import { modelHash } from "../../shared/onnx/model-hash.js";
import { type Device, type SessionLimits, sessionOptions } from "../../shared/onnx/session.js";
import type { PictureSize } from "../../shared/operators/task.js";

/** Evaluates eps_theta(x, t). */
export interface NoiseEstimator {
  readonly card: NetworkCard;
  /** Pixels of the states that a round evaluates in one call; undefined: all of them together. */
  readonly roundPixels?: number | undefined;
  /** Whether a call of another size than the last one takes many times as long; undefined: no. */
  readonly prefersOneSize?: boolean | undefined;
  /** Makes the first call of `states` states of a size take as long as the others, where it would not. */
  prepare?(states: number, size: PictureSize): Promise<void>;
  /**
   * @param x states, [n, 3, H, W]
   * @param timesteps [n], 0..999
   * @param out receives the noise estimates, [n, 3, H, W]
   */
  evaluate(
    x: Float32Array,
    timesteps: readonly number[],
    size: PictureSize,
    out: Float32Array,
  ): Promise<void>;
}

/** Assumed where neither the graph nor a card says otherwise: no known U-Net halves more than six times. */
const cautiousMultiple = 64;

const cardSchema = z.object({ sizeMultiple: z.int().min(1).max(1024).optional() });

/** `model.onnx` may have a card `model.json` beside it; one that cannot be read is an error, none is fine. */
async function readCard(modelPath: string): Promise<z.infer<typeof cardSchema>> {
  const path = modelPath.replace(/\.onnx$/, ".json");
  if (path === modelPath) return {};
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
    throw new InputError(`model card ${path} cannot be read: ${DeqfleetError.messageOf(error)}`, {
      cause: error,
    });
  }
  try {
    return cardSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new InputError(`model card ${path} is not valid: ${DeqfleetError.messageOf(cause)}`, { cause });
  }
}

interface Signature {
  readonly x: string;
  readonly t: string;
  readonly eps: string;
  readonly outputChannels: number | undefined;
  readonly fixedSize: PictureSize | undefined;
}

/** Finds the network's inputs and output by rank, and refuses what is no noise estimator. */
function signatureOf(session: ort.InferenceSession, path: string): Signature {
  const describe = (meta: ort.InferenceSession.ValueMetadata) =>
    meta.isTensor ? `${meta.name} ${meta.type} [${meta.shape.join(", ")}]` : meta.name;
  const refuse = (why: string): never => {
    const found = `inputs ${session.inputMetadata.map(describe).join("; ")}; outputs ${session.outputMetadata.map(describe).join("; ")}`;
    throw new InputError(
      `model ${path}: ${why}. Needed: inputs x [N, 3, H, W] and t [N], output eps [N, 3 or 6, H, W], all float32. Found: ${found}`,
    );
  };
  const tensors = (list: readonly ort.InferenceSession.ValueMetadata[]) =>
    list.flatMap((meta) => (meta.isTensor && meta.type === "float32" ? [meta] : []));
  const inputs = tensors(session.inputMetadata);
  const x = inputs.find(({ shape }) => shape.length === 4);
  const t = inputs.find(({ shape }) => shape.length === 1);
  if (!x || !t || session.inputNames.length !== 2)
    return refuse("its inputs are not a batch of pictures and their timesteps");
  const eps = tensors(session.outputMetadata).find(({ shape }) => shape.length === 4);
  if (!eps) return refuse("it has no output of rank 4");
  if (typeof x.shape[1] === "number" && x.shape[1] !== 3) return refuse(`it takes ${x.shape[1]} channels`);
  const outputChannels = typeof eps.shape[1] === "number" ? eps.shape[1] : undefined;
  if (outputChannels !== undefined && outputChannels !== 3 && outputChannels !== 6) {
    return refuse(`its output has ${outputChannels} channels`);
  }
  if (typeof x.shape[0] === "number" && x.shape[0] !== 1)
    return refuse(`its batch is fixed at ${x.shape[0]}`);
  const [height, width] = x.shape.slice(2);
  const fixedSize = typeof height === "number" && typeof width === "number" ? { height, width } : undefined;
  return { x: x.name, t: t.name, eps: eps.name, outputChannels, fixedSize };
}

/** A network run by ONNX Runtime. */
export class OnnxNetwork implements NoiseEstimator {
  readonly card: NetworkCard;
  readonly roundPixels: number | undefined;
  readonly #session: ort.InferenceSession;
  readonly #signature: Signature;
  /** States of a call that the graph permits: 1, or any number. */
  readonly largestBatch: number;
  readonly #callPixels: number;

  private constructor(
    session: ort.InferenceSession,
    signature: Signature,
    card: NetworkCard,
    largestBatch: number,
    device: Device,
  ) {
    // On a GPU calls are cut by whoever holds the session.
    this.roundPixels = device === "cpu" ? cpuRoundPixels : undefined;
    this.#callPixels = device === "cpu" ? largestCallPixels : gpuCallPixels;
    this.#session = session;
    this.#signature = signature;
    this.card = card;
    this.largestBatch = largestBatch;
  }

  /**
   * Loads a model by path (so that external data is found).
   * @throws InputError if the file is missing, damaged or no noise estimator
   */
  static async load(path: string, limits: SessionLimits): Promise<OnnxNetwork> {
    let session: ort.InferenceSession;
    let hash: string;
    try {
      hash = await modelHash(path);
      session = await ort.InferenceSession.create(path, sessionOptions(limits));
    } catch (cause) {
      throw new InputError(`model ${path} cannot be loaded: ${DeqfleetError.messageOf(cause)}`, { cause });
    }
    const signature = signatureOf(session, path);
    const { sizeMultiple } = await readCard(path);
    const card = { hash, sizeMultiple: sizeMultiple ?? cautiousMultiple, fixedSize: signature.fixedSize };
    const fixedBatch = session.inputMetadata.some(
      (meta) => meta.isTensor && meta.shape.length === 4 && typeof meta.shape[0] === "number",
    );
    const largestBatch = fixedBatch ? 1 : Number.POSITIVE_INFINITY;
    return new OnnxNetwork(session, signature, card, largestBatch, limits.device ?? "cpu");
  }

  async evaluate(
    x: Float32Array,
    timesteps: readonly number[],
    size: PictureSize,
    out: Float32Array,
  ): Promise<void> {
    const pixels = size.height * size.width;
    const batch = Math.max(1, Math.min(this.largestBatch, Math.floor(this.#callPixels / pixels)));
    for (let from = 0; from < timesteps.length; from += batch) {
      const to = Math.min(timesteps.length, from + batch);
      const view = (all: Float32Array) => all.subarray(from * 3 * pixels, to * 3 * pixels);
      await this.#run(view(x), timesteps.slice(from, to), size, view(out));
    }
  }

  async #run(
    x: Float32Array,
    timesteps: readonly number[],
    size: PictureSize,
    out: Float32Array,
  ): Promise<void> {
    const { x: xName, t, eps, outputChannels } = this.#signature;
    const n = timesteps.length;
    const dims = [n, 3, size.height, size.width];
    const feeds = {
      [xName]: new ort.Tensor("float32", x, dims),
      [t]: new ort.Tensor("float32", Float32Array.from(timesteps), [n]),
    };
    if (outputChannels === 3) {
      const found = await this.#session.run(feeds, { [eps]: new ort.Tensor("float32", out, dims) });
      freeOutput(found[eps], out);
      return;
    }
    const found = (await this.#session.run(feeds, [eps]))[eps];
    const channels = found.dims[1];
    const plane = size.height * size.width;
    if (channels !== 3 && channels !== 6) {
      throw new InputError(`the network returned [${found.dims.join(", ")}], not 3 or 6 channels`);
    }
    // Six channels: the last three are the learned variance, which a deterministic chain has no use for.
    const values = found.data as Float32Array;
    for (let i = 0; i < n; i++) {
      out.set(values.subarray(i * channels * plane, (i * channels + 3) * plane), i * 3 * plane);
    }
    freeOutput(found, out);
  }

  /** Frees the native session. */
  async release(): Promise<void> {
    await this.#session.release();
  }
}
