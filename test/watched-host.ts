/** A host that looks at the boundary states after every round, and at what each round was told to do. */
import type { RoundCommand, Slice, SliceHost, SliceSpec } from "../shared/chain/slice-host.js";

/** What was seen of one round. */
export interface WatchedRound {
  readonly command: RoundCommand;
  /** Pictures of exit states by their number, as the round's corrections left them. */
  readonly states: Map<number, Float32Array>;
}

/** Wraps a host. */
export class WatchedHost implements SliceHost {
  readonly width: number;
  /** `rounds[k]`: round k + 1. */
  readonly rounds: WatchedRound[] = [];
  readonly #inner: SliceHost;
  readonly #alter: (command: RoundCommand, spec: SliceSpec) => RoundCommand;

  /** @param alter changes what a slice is told */
  constructor(
    inner: SliceHost,
    alter: (command: RoundCommand, spec: SliceSpec) => RoundCommand = (command) => command,
  ) {
    this.#inner = inner;
    this.width = inner.width;
    this.#alter = alter;
  }

  async open(spec: SliceSpec, index: number, signal: AbortSignal): Promise<Slice> {
    const slice = await this.#inner.open(spec, index, signal);
    let { end } = spec;
    return {
      round: async (command, abort) => {
        const report = await slice.round(this.#alter(command, spec), abort);
        const at = command.round - 1;
        const seen = this.rounds[at];
        // Triangular mixing, and slices whose borders move, correct with one command and evaluate with the next: the round is
        // the latter.
        const evaluated = seen && seen.command.evaluateFrom < seen.command.evaluateTo;
        this.rounds[at] = { command: evaluated ? seen.command : command, states: seen?.states ?? new Map() };
        this.rounds[at].states.set(end, await slice.readState("exit", abort));
        return report;
      },
      serial: (abort) => slice.serial(abort),
      readState: (which, abort) => slice.readState(which, abort),
      give: (run, abort) => slice.give(run, abort),
      recut: (range, abort) => {
        end = range.end;
        return slice.recut(range, abort);
      },
      close: () => slice.close(),
    };
  }
}
