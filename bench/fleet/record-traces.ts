/** Records convergence traces of the sample photographs: real chains, solved in this thread. */
import { PrefixScan } from "../../coordinator/solver/prefix-scan.js";
import { solveTimeParallel } from "../../coordinator/solver/solve-chain.js";
import type { MethodName } from "../../shared/chain/method.js";
import type { TaskSettings } from "../../shared/operators/task.js";
import { version } from "../../shared/version.js";
import { OnnxNetwork } from "../../worker/engine/network.js";
import { SliceEngine } from "../../worker/engine/slice-engine.js";
import { InProcessHost } from "../../worker/in-process-host.js";
import { measurePhoto, type PhotoName, photoChain } from "../photo-chain.js";
import { RecordingHost } from "../recording-host.js";
import type { Trace, TraceFile } from "./trace.js";

/** Which chains are recorded: every photograph, task and T with every method. */
export interface RecordingPlan {
  readonly modelPath: string;
  readonly photos: readonly PhotoName[];
  readonly tasks: readonly TaskSettings[];
  readonly steps: readonly number[];
  readonly methods: readonly MethodName[];
  /** Side of the pictures, pixels. */
  readonly size: number;
  readonly tolerance: number;
  /** When, for the file's provenance. */
  readonly now: () => Date;
}

/**
 * Solves the chains one after the other.
 * @param onTrace called after each
 * @throws InputError if the model cannot be used
 */
export async function recordTraces(
  plan: RecordingPlan,
  signal: AbortSignal,
  onTrace: (trace: Trace) => void = () => {},
): Promise<TraceFile> {
  const { size, tolerance } = plan;
  const network = await OnnxNetwork.load(plan.modelPath, { threads: 1 });
  const scan = new PrefixScan();
  // One slice: where a chain is cut changes nothing of its convergence but rounding.
  const alone = new InProcessHost(new SliceEngine(network, { threads: 1 }), 1);
  const traces: Trace[] = [];
  try {
    for (const steps of plan.steps)
      for (const task of plan.tasks)
        for (const photo of plan.photos) {
          const measured = await measurePhoto(photo, size, task);
          for (const method of plan.methods) {
            const chain = photoChain(measured, method, steps);
            const done: number[] = [];
            const host = new RecordingHost(alone);
            await solveTimeParallel(
              chain,
              { tolerance, maxRounds: undefined },
              { host, scan, operator: measured.operator },
              signal,
              (progress) => {
                signal.throwIfAborted();
                done.push(progress.done);
              },
            );
            // After the last round there is one more command, which corrects and evaluates nothing.
            const evaluated = host.rounds.slice(0, done.length).map(([{ report }]) => report.evaluations);
            const trace = { photo, task: task.task, method, steps, done, evaluated };
            traces.push(trace);
            onTrace(trace);
          }
        }
  } finally {
    await network.release();
    await scan.release();
  }
  const provenance = {
    recorded: plan.now().toISOString().slice(0, 10),
    deqfleet: version,
    model: network.card.hash,
    size,
    tolerance,
    seed: 0,
  };
  return { provenance, traces };
}
