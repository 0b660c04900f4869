/** A host that notes what every slice reports in every round, for benchmarks. */
import type { RoundReport, Slice, SliceHost, SliceSpec } from "../shared/chain/slice-host.js";

/** Wraps a host; `rounds[k]` holds the reports of round k + 1 and when they came, in seconds. */
export class RecordingHost implements SliceHost {
  readonly width: number;
  readonly rounds: { report: RoundReport; sent: number; came: number }[][] = [];
  readonly #inner: SliceHost;

  constructor(inner: SliceHost) {
    this.#inner = inner;
    this.width = inner.width;
  }

  async open(spec: SliceSpec, index: number, signal: AbortSignal): Promise<Slice> {
    const slice = await this.#inner.open(spec, index, signal);
    return {
      round: async (command, abort) => {
        const sent = performance.now() / 1000;
        const report = await slice.round(command, abort);
        const came = performance.now() / 1000;
        this.rounds[command.round - 1] ??= [];
        this.rounds[command.round - 1].push({ report, sent, came });
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
