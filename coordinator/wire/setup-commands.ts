/** What a worker is sent first of a slice. */
import type { ChainSpec, SliceSpec } from "../../shared/chain/slice-host.js";
import type { SliceCommand } from "../../shared/wire/generated/deqfleet/v1/SliceCommand.js";
import { encodeTensor } from "../../shared/wire/tensor-codec.js";

/** The setup message and the slice's tensors behind it. */
export function setupCommands(chain: ChainSpec, seeds: SliceSpec["seeds"]): SliceCommand[] {
  const { height, width } = chain.canvas;
  const tensor = (
    values: Float32Array | Uint8Array | undefined,
    shape: readonly number[],
  ): SliceCommand[] => {
    if (!values) return [];
    const encoded = encodeTensor(values, shape);
    return [{ setupTensor: encoded.tensor }, ...encoded.chunks.map((chunk) => ({ chunk }))];
  };
  const picture = [3, height, width];
  return [
    { setup: { hasMask: !!chain.mask, hasEntry: !!seeds?.entry, hasExit: !!seeds?.exit } },
    ...tensor(chain.pseudoInverse, picture),
    ...tensor(chain.mask, [height, width]),
    ...tensor(seeds?.entry, picture),
    ...tensor(seeds?.exit, picture),
  ];
}
