/**
 * The coordinator's part of the scan: corrections of the boundary states, slice by slice,
 *
 *     delta_q = D_{p:q} delta_p + s_{p:q}
 *
 * on packed states, D being one scalar on the range and one on the null space of A.
 */
import type { StepJacobian } from "../../shared/chain/jacobian.js";
import { GraphBuilder } from "../../shared/onnx/graph-builder.js";
import { Kernel } from "../../shared/onnx/session.js";

/** Runs the scan in ONNX Runtime; one serves all chains. */
export class PrefixScan {
  readonly #kernel: Kernel;

  private constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Builds and loads the graph. */
  static async load(): Promise<PrefixScan> {
    const g = new GraphBuilder("prefix-scan");
    const row = ["n"];
    const spread = g.node("Mul", [g.input("inRange", row), g.input("rangeMinusNull", [1])]);
    const transfer = g.node("Add", [spread, g.input("null", [1])]);
    const carried = g.node("Mul", [transfer, g.input("entry", row)]);
    g.output("exit", g.node("Add", [carried, g.input("s", row)]), row);
    return new PrefixScan(await Kernel.load(g.build(), { threads: 1 }));
  }

  /**
   * Correction of a slice's exit state.
   * @param entry correction of its entry state, packed; undefined for none
   * @param s what the slice reported, packed
   * @param inRange 1 where a packed number belongs to the range of A
   */
  async advance(
    entry: Float32Array | undefined,
    s: Float32Array,
    transfer: StepJacobian,
    inRange: Float32Array,
  ): Promise<Float32Array> {
    if (!entry) return s;
    const exit = new Float32Array(s.length);
    const row = (values: Float32Array) => ({ values, dims: [values.length] });
    await this.#kernel.run(
      {
        inRange: row(inRange),
        rangeMinusNull: row(Float32Array.of(transfer.range - transfer.null)),
        null: row(Float32Array.of(transfer.null)),
        entry: row(entry),
        s: row(s),
      },
      { exit: row(exit) },
    );
    return exit;
  }

  /** Frees the native session. */
  async release(): Promise<void> {
    await this.#kernel.release();
  }
}
