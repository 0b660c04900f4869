import { InputError } from "../errors.js";

/** What one item of a batch is, for the length check: its name in the error message and its number of values. */
export interface BatchItem {
  readonly name: string;
  readonly length: number;
}

/**
 * Applies `transform` to the items of a batch one by one. `transform` reads `from` ([input.length]) and fills `into`
 * ([outputLength], zero at first).
 * @param values [batch * input.length]
 * @returns [batch * outputLength]
 * @throws InputError if `batch` is no positive integer or `values` has another length
 */
export function mapBatch(
  values: Float32Array,
  batch: number,
  input: BatchItem,
  outputLength: number,
  transform: (from: Float32Array, into: Float32Array) => void,
): Float32Array {
  if (!Number.isInteger(batch) || batch < 1) {
    throw new InputError(`a batch of ${batch} cannot be: give a whole number of at least 1`);
  }
  if (values.length !== batch * input.length) {
    throw new InputError(
      `${input.name} has ${values.length} values, but a batch of ${batch} needs ${batch} x ${input.length} = ${batch * input.length}`,
    );
  }
  const result = new Float32Array(batch * outputLength);
  for (let b = 0; b < batch; b++) {
    transform(
      values.subarray(b * input.length, (b + 1) * input.length),
      result.subarray(b * outputLength, (b + 1) * outputLength),
    );
  }
  return result;
}
