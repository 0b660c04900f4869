/**
 * Chains that follow each other over the same workers. A worker that one chain needs no more, because all states it had are
 * final, begins with the next chain while the others still finish the first.
 *
 * Invariants:
 * 1. Chains come in the order in which they take their turns; a worker goes from one to the next once, for the first slice opened on it.
 * 2. A chain never waits for a later one: slices that replace lost ones are opened at once, beside the next chain's.
 */
import type {
  MovedSteps,
  NextChain,
  Recut,
  RoundCommand,
  RoundReport,
  SerialReport,
  Slice,
  SliceHost,
  SliceSpec,
  StepRun,
} from "../../shared/chain/slice-host.js";
import { RetryableError } from "../../shared/errors.js";
import type { PictureSize } from "../../shared/operators/task.js";

/** A promise and what resolves it. */
class Latch {
  open: () => void = () => {};
  readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

/** A slice that is opened when its worker is free; whoever calls it waits for that. */
class AwaitedSlice implements Slice {
  readonly #slice: Promise<Slice>;
  #opened: Slice | undefined;
  #closed = false;

  constructor(free: Promise<void>, open: () => Promise<Slice>) {
    this.#slice = free.then(async () => {
      if (this.#closed) throw new RetryableError("the slice was closed before its worker was free");
      this.#opened = await open();
      if (this.#closed) await this.#opened.close();
      return this.#opened;
    });
    // Told to whoever calls it, if anybody does.
    this.#slice.catch(() => {});
  }

  async round(command: RoundCommand, signal: AbortSignal): Promise<RoundReport> {
    return (await this.#slice).round(command, signal);
  }

  async serial(signal: AbortSignal): Promise<SerialReport> {
    return (await this.#slice).serial(signal);
  }

  async readState(which: "entry" | "exit", signal: AbortSignal): Promise<Float32Array> {
    return (await this.#slice).readState(which, signal);
  }

  async give(run: StepRun, signal: AbortSignal): Promise<MovedSteps> {
    return (await this.#slice).give(run, signal);
  }

  async recut(range: Recut, signal: AbortSignal): Promise<void> {
    return (await this.#slice).recut(range, signal);
  }

  async close(): Promise<void> {
    this.#closed = true;
    // One that is not open yet is not waited for: it closes itself.
    await this.#opened?.close();
  }
}

/** One chain's turn at the workers: a host for its slices. */
export class Turn implements SliceHost {
  readonly width: number;
  readonly #inner: SliceHost;
  readonly #workers: readonly number[];
  readonly #free: readonly Promise<void>[];
  readonly #left: readonly Latch[];
  readonly #begun = new Set<number>();
  readonly next: NextChain;

  /** @param free when the chain before needs each worker no more */
  constructor(
    inner: SliceHost,
    workers: readonly number[],
    free: readonly Promise<void>[],
    waits: () => boolean,
  ) {
    this.width = workers.length;
    this.#inner = inner;
    this.#workers = workers;
    this.#free = free;
    this.#left = workers.map(() => new Latch());
    this.next = { waits, leave: (worker) => this.#left[worker].open() };
  }

  /** When this chain needs each worker no more. */
  get left(): readonly Promise<void>[] {
    return this.#left.map(({ opened }) => opened);
  }

  /** Resolves when the first worker is free. */
  ready(): Promise<void> {
    return Promise.race(this.#free);
  }

  pace(worker: number, canvas: PictureSize): number | undefined {
    return this.#inner.pace?.(this.#workers[worker], canvas);
  }

  async open(spec: SliceSpec, index: number, signal: AbortSignal): Promise<Slice> {
    const worker = index % this.width;
    const open = () => this.#inner.open(spec, this.#workers[worker], signal);
    if (this.#begun.has(worker)) return open();
    this.#begun.add(worker);
    return new AwaitedSlice(this.#free[worker], open);
  }

  /** The chain is over. */
  end(): void {
    // What it left to an earlier chain was never its own to pass on.
    for (const [worker, latch] of this.#left.entries()) void this.#free[worker].then(latch.open);
  }
}

/** Gives out turns at some workers of a host. */
export class WorkerTurns {
  readonly #host: SliceHost;
  readonly #workers: readonly number[];
  #free: readonly Promise<void>[];
  #last: Turn | undefined;

  /** @param workers their numbers in the host */
  constructor(host: SliceHost, workers: readonly number[]) {
    this.#host = host;
    this.#workers = workers;
    this.#free = workers.map(() => Promise.resolve());
  }

  /** Waits until the chain before lets go of its first worker. The turn has to be ended, whatever comes of the chain. */
  async take(): Promise<Turn> {
    const turn: Turn = new Turn(this.#host, this.#workers, this.#free, () => this.#last !== turn);
    this.#free = turn.left;
    this.#last = turn;
    await turn.ready();
    return turn;
  }
}
