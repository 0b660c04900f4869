/**
 * The engine thread: owns the ONNX Runtime sessions. A run computes on the thread that calls it, so this thread hears
 * nothing while it works; the main thread goes on answering health checks and keepalives meanwhile.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { DeqfleetError, RetryableError } from "../../shared/errors.js";
import type {
  EngineFailure,
  EngineMessage,
  EngineOptions,
  EngineRequest,
  EngineResults,
  EngineTask,
} from "./engine-protocol.js";
import type { EngineSlice } from "./engine-slice.js";
import { OnnxNetwork } from "./network.js";
import { SliceEngine } from "./slice-engine.js";

/** Anything unforeseen (out of memory in the runtime, a graph that does not run) fails the picture, not the fleet. */
const failureOf = (error: unknown): EngineFailure => ({
  kind: error instanceof DeqfleetError ? error.kind : "picture",
  message: DeqfleetError.messageOf(error),
});

const slices = new Map<number, EngineSlice>();

function sliceOf(id: number): EngineSlice {
  const slice = slices.get(id);
  if (!slice) throw new RetryableError(`slice ${id} is not open on this worker`);
  return slice;
}

async function perform(engine: SliceEngine, task: EngineTask): Promise<EngineResults[keyof EngineResults]> {
  switch (task.kind) {
    case "open":
      slices.set(task.slice, await engine.open(task.spec));
      return undefined;
    case "round":
      return sliceOf(task.slice).round(task.command);
    case "serial":
      return sliceOf(task.slice).serial();
    case "read":
      return sliceOf(task.slice).readState(task.which);
    case "close":
      slices.delete(task.slice);
      return undefined;
  }
}

/** Buffers of a result, to be handed over instead of copied. */
function buffersOf(result: EngineResults[keyof EngineResults]): ArrayBuffer[] {
  const tensor = result instanceof Float32Array ? result : result?.exit;
  return tensor ? [tensor.buffer as ArrayBuffer] : [];
}

async function serve(port: MessagePort, { modelPath, threads }: EngineOptions): Promise<void> {
  const post = (message: EngineMessage, buffers: ArrayBuffer[] = []) => port.postMessage(message, buffers);
  let engine: SliceEngine;
  try {
    engine = new SliceEngine(await OnnxNetwork.load(modelPath, { threads }), { threads });
  } catch (error) {
    post({ type: "unusable", failure: failureOf(error) });
    return;
  }
  let last: Promise<void> = Promise.resolve();
  port.on("message", ({ id, task }: EngineRequest) => {
    last = last.then(async () => {
      try {
        const result = await perform(engine, task);
        post({ type: "done", id, result }, buffersOf(result));
      } catch (error) {
        post({ type: "failed", id, failure: failureOf(error) });
      }
    });
  });
  post({ type: "ready", card: engine.network.card });
}

if (parentPort) await serve(parentPort, workerData as EngineOptions);
