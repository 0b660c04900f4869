/** Ctrl-C: the first asks the run to stop, the second kills it. */

const signals = ["SIGINT", "SIGTERM"] as const;

/** Where signals come from: the process, or a test's emitter. */
export interface SignalSource {
  on(signal: (typeof signals)[number], listener: () => void): unknown;
  removeListener(signal: (typeof signals)[number], listener: () => void): unknown;
}

/** What is done on a signal. */
export interface InterruptionHandling {
  readonly source: SignalSource;
  /** Called once, on the first signal. */
  readonly onFirst: () => void;
  /** Ends the process without further ado. */
  readonly kill: () => void;
}

/** Listens for signals while `work` goes on. */
export async function withInterruption<Result>(
  { source, onFirst, kill }: InterruptionHandling,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const listener = (): void => {
    if (controller.signal.aborted) {
      kill();
      return;
    }
    controller.abort(new Error("interrupted"));
    onFirst();
  };
  for (const signal of signals) source.on(signal, listener);
  try {
    return await work(controller.signal);
  } finally {
    for (const signal of signals) source.removeListener(signal, listener);
  }
}
