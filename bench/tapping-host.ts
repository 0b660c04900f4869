/** A host that looks at the picture after every round, which the solver itself returns only at the end. */
import type { Slice, SliceHost, SliceSpec } from "../shared/chain/slice-host.js";

/** Wraps a host; meant for one slice, which holds z_T whatever the round. */
export class TappingHost implements SliceHost {
  readonly width = 1;
  /** `pictures[k]` is z_T after k rounds; `pictures[0]` is the one the method starts with. */
  readonly pictures: Float32Array[] = [];
  /** `evaluations[k]`: network evaluations spent in the first k rounds. */
  readonly evaluations: number[] = [0];
  /** `windows[k]`: the steps evaluated in round k + 1. */
  readonly windows: { readonly from: number; readonly to: number }[] = [];
  /** The round from which on the method had been given up for plain iteration. */
  plainFrom: number | undefined;
  readonly #inner: SliceHost;

  constructor(inner: SliceHost) {
    this.#inner = inner;
  }

  async open(spec: SliceSpec, index: number, signal: AbortSignal): Promise<Slice> {
    const slice = await this.#inner.open(spec, index, signal);
    return {
      round: async (command, abort) => {
        const report = await slice.round(command, abort);
        // A round first applies the corrections that the one before it found, and evaluates then.
        this.pictures[command.round - 1] = await slice.readState("exit", abort);
        this.windows[command.round - 1] = { from: command.evaluateFrom, to: command.evaluateTo };
        if (command.plain) this.plainFrom ??= command.round;
        this.evaluations[command.round] = this.evaluations[command.round - 1] + report.evaluations;
        return report;
      },
      serial: (abort) => slice.serial(abort),
      readState: (which, abort) => slice.readState(which, abort),
      give: (run, abort) => slice.give(run, abort),
      recut: (range, abort) => slice.recut(range, abort),
      close: () => slice.close(),
    };
  }
}
