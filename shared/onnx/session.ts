/** A thin, typed face on ONNX Runtime: float32 in, float32 out, outputs written where the caller wants them. */
import * as ort from "onnxruntime-node";
import { freeOutput } from "./free-output.js";

/** A float32 array with its dimensions. `values` may be a view; outputs given as views are filled in place. */
export interface Array32 {
  readonly values: Float32Array;
  readonly dims: readonly number[];
}

/** How a session may use the machine. */
export interface SessionLimits {
  /** Threads of one operator, 1 or more. */
  readonly threads: number;
}

/** ONNX Runtime's own log, errors only: everything it reports also comes back as an exception. */
const fatalOnly = 4;

/** Session options shared by networks and kernels. Spinning is off: idle threads would starve sibling workers. */
export function sessionOptions(limits: SessionLimits): ort.InferenceSession.SessionOptions {
  return {
    executionProviders: ["cpu"],
    intraOpNumThreads: limits.threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    logSeverityLevel: fatalOnly,
    extra: { session: { intra_op: { allow_spinning: "0" }, inter_op: { allow_spinning: "0" } } },
  };
}

const tensor = ({ values, dims }: Array32): ort.Tensor => new ort.Tensor("float32", values, dims);

/** A small graph made by deqfleet itself. */
export class Kernel {
  readonly #session: ort.InferenceSession;

  private constructor(session: ort.InferenceSession) {
    this.#session = session;
  }

  /** Loads an encoded ModelProto. */
  static async load(model: Uint8Array, limits: SessionLimits): Promise<Kernel> {
    return new Kernel(await ort.InferenceSession.create(model, sessionOptions(limits)));
  }

  /**
   * Runs the graph; every output named in `outputs` is written into the array given for it.
   * Outputs not named are not computed into JavaScript memory.
   */
  async run(
    inputs: Readonly<Record<string, Array32>>,
    outputs: Readonly<Record<string, Array32>>,
  ): Promise<void> {
    const feeds: Record<string, ort.Tensor> = {};
    for (const name of this.#session.inputNames) feeds[name] = tensor(inputs[name]);
    const fetches: Record<string, ort.Tensor> = {};
    for (const name of Object.keys(outputs)) fetches[name] = tensor(outputs[name]);
    const made = await this.#session.run(feeds, fetches);
    for (const [name, { values }] of Object.entries(outputs)) freeOutput(made[name], values);
  }

  /** Frees the native session. */
  async release(): Promise<void> {
    await this.#session.release();
  }
}
