/** A torch.save file, zip or legacy: its object, and where its storages lie. */
import { InputError } from "../errors.js";
import type { StoredDtype } from "./checkpoint.js";
import type { PickleValue, StorageReference, TensorReference } from "./pickle-values.js";
import { type StoredBytes, StoredTensor } from "./stored-tensor.js";

/** An opened torch.save file. */
export interface TorchFile {
  /** The object that was saved. */
  readonly object: PickleValue;
  /**
   * Where a storage lies.
   * @param subject the start of messages: file and tensor
   * @throws InputError if the file does not hold it whole
   */
  locate(storage: StorageReference, dtype: StoredDtype, subject: string): Promise<StoredBytes>;
  /** @throws InputError if the file ends early, even where no tensor that was located lies beyond its end */
  requireWhole(): void;
}

/**
 * The tensor that a reference of the pickle stands for.
 * @throws InputError if its element type is not read, or it does not lie in the file
 */
export async function storedTensor(
  file: TorchFile,
  source: string,
  name: string,
  { storage, ...layout }: TensorReference,
): Promise<StoredTensor> {
  const { dtype } = storage;
  const subject = `${source}: tensor ${name} [${layout.shape.join(", ")}]`;
  if (typeof dtype !== "string") {
    throw new InputError(
      `${subject} has the unsupported element type ${dtype.storageType}; convert it to float32, float16 or bfloat16 before saving`,
    );
  }
  return new StoredTensor(name, dtype, await file.locate(storage, dtype, subject), layout);
}
