/** A thin, typed face on ONNX Runtime: float32 in, float32 out, outputs written where the caller wants them. */
import * as ort from "onnxruntime-node";
import { DeqfleetError, InputError } from "../errors.js";
import { declineRuntimeTelemetry } from "./decline-telemetry.js";
import { freeOutput } from "./free-output.js";
import { GraphBuilder } from "./graph-builder.js";

declineRuntimeTelemetry();

/** A float32 array with its dimensions. `values` may be a view; outputs given as views are filled in place. */
export interface Array32 {
  readonly values: Float32Array;
  readonly dims: readonly number[];
}

/** How a session may use the machine. */
export interface SessionLimits {
  /** Threads of one operator, 1 or more. */
  readonly threads: number;
  /** Default: `cpu`. Deqfleet's own small graphs run there wherever the network does: they are too small to travel. */
  readonly device?: Device | undefined;
}

/** What a network runs on: the processor, or a CUDA device by its number among those visible to the process. */
export type Device = "cpu" | `cuda:${number}`;

/** Forms of {@link Device}. */
export const devicePattern = /^(?:cpu|cuda:(?:0|[1-9]\d{0,2}))$/;

const executionProvider = (device: Device): ort.InferenceSession.ExecutionProviderConfig =>
  device === "cpu" ? "cpu" : { name: "cuda", deviceId: Number(device.slice("cuda:".length)) };

/** ONNX Runtime's own log, errors only: everything it reports also comes back as an exception. */
const fatalOnly = 4;

/** Session options shared by networks and kernels. Spinning is off: idle threads would starve sibling workers. */
export function sessionOptions(limits: SessionLimits): ort.InferenceSession.SessionOptions {
  return {
    executionProviders: [executionProvider(limits.device ?? "cpu")],
    intraOpNumThreads: limits.threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    logSeverityLevel: fatalOnly,
    extra: { session: { intra_op: { allow_spinning: "0" }, inter_op: { allow_spinning: "0" } } },
  };
}

/**
 * Makes a session on a device and runs it: the runtime lists providers whose files are not there.
 * @throws InputError if the device cannot be used
 */
export async function probeDevice(device: Device): Promise<void> {
  const graph = new GraphBuilder("probe");
  graph.output("y", graph.node("Neg", [graph.input("x", [1])]), [1]);
  try {
    const session = await ort.InferenceSession.create(graph.build(), sessionOptions({ threads: 1, device }));
    await session.run({ x: new ort.Tensor("float32", Float32Array.of(1), [1]) });
    await session.release();
  } catch (cause) {
    const remedy =
      device === "cpu"
        ? "is onnxruntime-node installed for this machine?"
        : "CUDA needs an NVIDIA driver, CUDA 12 with cuDNN 9 and the runtime's CUDA files (`npm run install:cuda`); else take --device cpu";
    throw new InputError(`--device ${device} cannot be used: ${DeqfleetError.messageOf(cause)}; ${remedy}`, {
      cause,
    });
  }
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
