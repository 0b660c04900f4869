/** How V8 collects garbage, and compiles, in processes that move tensors. */
import { setFlagsFromString } from "node:v8";

/**
 * Tensors (outputs of ONNX Runtime, gRPC messages) lie outside V8's heap but count towards its limits: V8 would mark its
 * small heap incrementally nearly every round. Marking it at once, when it has to be, takes a quarter off the time per
 * round beyond the network.
 *
 * What is young is collected 4 MB at a time: V8's own limit of 16 MB has each of a worker's three threads grow by 17 MB over
 * some hundred pictures, and no faster.
 */
const collection: readonly string[] = ["--no-incremental-marking", "--max-semi-space-size=4"];

/**
 * Every marking throws away optimized code that refers to objects which are gone, as of a round that is over, and what ran often
 * enough since is compiled anew: 3.5 ms of processor time a round, for ever. Functions have to run fifteen times as long first. This is V8
 * 11.3, of Node 20; later ones have a cheaper compiler in between, and refuse to start with a flag they do not know.
 */
const compilation: readonly string[] =
  Number.parseFloat(process.versions.v8) < 11.4 ? ["--interrupt-budget=1000000"] : [];

/** Flags for processes that move tensors. */
export const v8Flags: readonly string[] = [...collection, ...compilation];

/** Sets the flags for this process, from now on. */
export function setV8Flags(): void {
  for (const flag of v8Flags) setFlagsFromString(flag);
}
