/**
 * A checkpoint as the importers see it: named tensors with known shapes, whose values are read one tensor at a time. The
 * containers (torch zip, torch legacy, safetensors) hide behind this.
 */

/** How a tensor's values are stored in the file. */
export type StoredDtype =
  | "float64"
  | "float32"
  | "float16"
  | "bfloat16"
  | "int64"
  | "int32"
  | "int16"
  | "int8"
  | "uint8"
  | "bool";

/** One tensor of a checkpoint. Nothing but its place is held in memory. */
export interface CheckpointTensor {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  /**
   * The values as float32, row-major, whatever the strides and dtype of the storage. A fresh array each time.
   * @throws InputError if the file is truncated there, or the values do not fit float32 exactly where they are integers
   */
  read(): Promise<Float32Array>;
}

/** The containers a checkpoint comes in. */
export type CheckpointFormat = "torch-zip" | "torch-legacy" | "safetensors";

/** An open checkpoint. */
export interface Checkpoint {
  /** The file, or for shards the index or folder, as the user named it. */
  readonly source: string;
  readonly format: CheckpointFormat;
  /** Tensors by name, without wrappers (`state_dict`, EMA) and `module.` prefixes. */
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** Which wrapper the tensors were taken from, for the log: "state_dict", "ema", "module." ... Outermost first. */
  readonly unwrapped: readonly string[];
  /** SHA-256 of the file's bytes, in hex; of all shards, in the order of the index, where it is sharded. */
  sha256(): Promise<string>;
  close(): Promise<void>;
}
