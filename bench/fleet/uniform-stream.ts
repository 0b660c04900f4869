/** Uniform random numbers for simulations: one stream for each thing that happens by chance, all from one seed. */
import { philox4x32 } from "../../shared/diffusion/addressable-noise.js";

/** Numbers in (0, 1), a pure function of (seed, stream, position). Philox4x32-10, as the noise of the chains. */
export class UniformStream {
  readonly #key: readonly [number, number];
  readonly #stream: readonly [number, number];
  readonly #block = new Uint32Array(4);
  #drawn = 0;

  /**
   * @param seed 0 .. 2^53 - 1
   * @param subject what kind of chance, e.g. 0 for stragglers
   * @param index whose, e.g. the worker's number
   */
  constructor(seed: number, subject: number, index: number) {
    this.#key = [seed >>> 0, Math.floor(seed / 0x100000000) >>> 0];
    this.#stream = [subject, index];
  }

  next(): number {
    const word = this.#drawn % 4;
    if (word === 0) {
      this.#block.set([this.#drawn / 4, ...this.#stream, 0]);
      philox4x32(this.#block, ...this.#key);
    }
    this.#drawn++;
    // (word + 0.5) / 2^32 is never 0, so its logarithm is finite.
    return (this.#block[word] + 0.5) / 0x100000000;
  }

  /** An exponentially distributed time with the given mean. */
  exponential(mean: number): number {
    return -mean * Math.log(this.next());
  }
}
