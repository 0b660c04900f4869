/** Memory of outputs that nobody reads. */
import { MessageChannel } from "node:worker_threads";
import type { Tensor } from "onnxruntime-node";

const { port1: closed } = new MessageChannel();
closed.close();

/**
 * Frees what a run returned, whose values lie in `into` as well: the runtime's binding returns a copy of every output,
 * even of one that was written where the caller wanted it. Left to the garbage collector the copies of many runs pile up,
 * each in memory that no cache holds; freed at once, the next run's copy takes the same place. A message to a closed
 * port is dropped with what was handed over to it, which is the way to free memory of an array that Node 20 has.
 * @param output must not be used any more
 */
export function freeOutput(output: Tensor, into: Float32Array): void {
  const { buffer } = output.data as Float32Array;
  // A binding that returned the caller's own array would leave nothing to free.
  if (buffer !== into.buffer && buffer instanceof ArrayBuffer) closed.postMessage(undefined, [buffer]);
}
