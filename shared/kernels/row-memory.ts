/** Hands out places in a block of memory whose size is known only when all of them are. */
import { type Address, allocateRowKernels, type RowKernels } from "./row-kernels.js";

/** Every place starts a vector, and a cache line. */
const alignment = 64;
/** Address 0 means "none". */
const firstAddress = alignment;

/** Plans first; then {@link RowPlan.allocate}. */
export class RowPlan {
  #end = firstAddress;

  /** Room for `count` numbers of four bytes. */
  words(count: number): Address {
    const at = this.#end;
    this.#end += Math.ceil((4 * count) / alignment) * alignment;
    return at;
  }

  /** @throws RangeError if it is more than 4 GiB */
  allocate(): { memory: ArrayBuffer; kernels: RowKernels } {
    return allocateRowKernels(this.#end);
  }
}
