/** Slices computed in this thread: the solver without processes, for tests and for benchmarks of the arithmetic. */
import type { Slice, SliceHost, SliceSpec } from "../shared/chain/slice-host.js";
import type { SliceEngine } from "./engine/slice-engine.js";

/** A host of `width` slices over one engine. */
export class InProcessHost implements SliceHost {
  readonly width: number;
  readonly #engine: SliceEngine;

  constructor(engine: SliceEngine, width: number) {
    this.#engine = engine;
    this.width = width;
  }

  async open(spec: SliceSpec): Promise<Slice> {
    return this.#engine.open(spec);
  }
}
