/** Where the families take their tensors from: by name and shape, to be read when the graph is written. */
import type { Checkpoint, CheckpointTensor } from "../checkpoint/checkpoint.js";
import { InputError } from "../errors.js";

/** Reads the float32 values of a tensor, row-major. */
export type ReadTensor = () => Promise<Float32Array>;

/** Gives the tensors a network asks for. */
export interface NetworkTensors {
  /**
   * The tensor of that name, in PyTorch's shape; nothing is read yet.
   * @throws InputError if there is none of that name and shape
   */
  take(name: string, shape: readonly number[]): ReadTensor;
}

/** A tensor an architecture needs. */
export interface ExpectedTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Records what is asked for; has no values. */
export class TensorList implements NetworkTensors {
  readonly tensors: ExpectedTensor[] = [];

  take(name: string, shape: readonly number[]): ReadTensor {
    this.tensors.push({ name, shape: [...shape] });
    return () => Promise.reject(new Error(`tensor ${name} is only a name here`));
  }
}

/** The tensors of a checkpoint. */
export class CheckpointTensors implements NetworkTensors {
  readonly #tensors: ReadonlyMap<string, CheckpointTensor>;
  readonly #source: string;

  constructor(tensors: ReadonlyMap<string, CheckpointTensor>, source: string) {
    this.#tensors = tensors;
    this.#source = source;
  }

  take(name: string, shape: readonly number[]): ReadTensor {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined || !sameShape(tensor.shape, shape)) {
      throw new InputError(`${this.#source}: ${mismatch({ name, shape }, tensor)}`);
    }
    return () => tensor.read();
  }
}

const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i]);

const shapeText = (shape: readonly number[]): string => `[${shape.join(", ")}]`;

const mismatch = (expected: ExpectedTensor, found: CheckpointTensor | undefined): string =>
  found === undefined
    ? `tensor ${expected.name}: the architecture needs ${shapeText(expected.shape)}, the file has none of that name`
    : `tensor ${found.name}: the architecture needs ${shapeText(expected.shape)}, the file has ${shapeText(found.shape)}`;

/** Problems named in one message; more would not help. */
const namedProblems = 3;

/**
 * Compares the tensors of a file with those an architecture needs.
 * @returns the names of tensors the network does not use, in the file's order
 * @throws InputError naming tensors that are missing or of another shape, with both shapes
 */
export function unusedTensors(
  expected: readonly ExpectedTensor[],
  tensors: ReadonlyMap<string, CheckpointTensor>,
  source: string,
): string[] {
  const wrong = expected.filter(({ name, shape }) => {
    const found = tensors.get(name);
    return found === undefined || !sameShape(found.shape, shape);
  });
  if (wrong.length > 0) {
    const named = wrong.slice(0, namedProblems).map((tensor) => mismatch(tensor, tensors.get(tensor.name)));
    const more = wrong.length - named.length;
    throw new InputError(
      `${source}: ${named.join("; ")}${more > 0 ? `; and ${more} more of ${expected.length} tensors` : ""}. Give the architecture the checkpoint was trained with (--arch)`,
    );
  }
  const used = new Set(expected.map(({ name }) => name));
  return [...tensors].filter(([name]) => !used.has(name)).map(([, tensor]) => tensor.name);
}

/** diffusers before 0.15 called the projections of its attentions otherwise. */
const formerNames = [
  [/\.query\.(weight|bias)$/, ".to_q.$1"],
  [/\.key\.(weight|bias)$/, ".to_k.$1"],
  [/\.value\.(weight|bias)$/, ".to_v.$1"],
  [/\.proj_attn\.(weight|bias)$/, ".to_out.0.$1"],
] as const;

/** A checkpoint's tensors under the names the families use now. */
export function currentNames(checkpoint: Checkpoint): ReadonlyMap<string, CheckpointTensor> {
  return new Map(
    [...checkpoint.tensors].map(([name, tensor]) => [
      formerNames.reduce((current, [former, now]) => current.replace(former, now), name),
      tensor,
    ]),
  );
}
