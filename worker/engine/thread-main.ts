/**
 * The engine thread: owns the ONNX Runtime sessions. A run computes on the thread that calls it, so this thread hears
 * nothing while it works; the main thread goes on answering health checks and keepalives meanwhile.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { ChainSpec, SerialReport } from "../../shared/chain/slice-host.js";
import { DeqfleetError, RetryableError } from "../../shared/errors.js";
import { probeDevice } from "../../shared/onnx/session.js";
import { TensorLane } from "../../shared/wire/tensor-lane.js";
import { serveCalls } from "../port-calls.js";
import {
  type EngineConnection,
  type EngineFailure,
  type EngineMessage,
  type EngineOptions,
  type EngineRequest,
  type EngineResults,
  type EngineTask,
  type EngineTensor,
  endEngine,
} from "./engine-protocol.js";
import type { EngineSlice } from "./engine-slice.js";
import { MeasuredNetwork, measureCalls } from "./measured-network.js";
import { OnnxNetwork } from "./network.js";
import { SliceEngine } from "./slice-engine.js";

/** Anything unforeseen (out of memory in the runtime, a graph that does not run) fails the picture, not the fleet. */
const failureOf = (error: unknown): EngineFailure => ({
  kind: error instanceof DeqfleetError ? error.kind : "picture",
  message: DeqfleetError.messageOf(error),
});

/** How often the main thread is told what network calls cost, if that changed. */
const costMilliseconds = 1000;

/** An open slice and its way to the coordinator, if that is on this machine. */
interface OpenSlice {
  readonly slice: EngineSlice;
  readonly lane: TensorLane | undefined;
}

const slices = new Map<number, OpenSlice>();

function sliceOf(id: number): OpenSlice {
  const slice = slices.get(id);
  if (!slice) throw new RetryableError(`slice ${id} is not open on this worker`);
  return slice;
}

/** Puts a tensor of the slice where it can leave: into the lane, or into memory that can be handed over. */
function outgoing({ lane }: OpenSlice, values: Float32Array): EngineTensor {
  const number = lane?.write(values);
  return number === undefined ? values.slice() : { lane: number, length: values.length };
}

function incoming({ lane }: OpenSlice, tensor: EngineTensor): Float32Array {
  if (tensor instanceof Float32Array) return tensor;
  if (!lane) throw new RetryableError("a tensor was announced in a lane that is not open");
  return lane.read(tensor.lane, tensor.length);
}

async function perform(
  engine: SliceEngine,
  folder: string | undefined,
  task: EngineTask,
): Promise<EngineResults[keyof EngineResults]> {
  switch (task.kind) {
    case "open": {
      const { height, width } = task.spec.chain.canvas;
      const slice = await engine.open(task.spec);
      const lane = folder && task.lane ? TensorLane.open(folder, task.lane, 3 * height * width) : undefined;
      slices.set(task.slice, { slice, lane });
      return lane !== undefined;
    }
    case "round": {
      const open = sliceOf(task.slice);
      const { correction, ...command } = task.command;
      const report = await open.slice.round({
        ...command,
        correction: correction && incoming(open, correction),
      });
      return { ...report, exit: report.exit && outgoing(open, report.exit) };
    }
    case "serial": {
      const open = sliceOf(task.slice);
      const report = await open.slice.serial();
      return { ...report, exit: outgoing(open, report.exit) };
    }
    case "read": {
      const open = sliceOf(task.slice);
      return outgoing(open, await open.slice.readState(task.which));
    }
    case "close": {
      const open = slices.get(task.slice);
      slices.delete(task.slice);
      open?.lane?.close();
      await open?.slice.close();
      return undefined;
    }
  }
}

/** Buffers of a result, to be handed over instead of copied. */
function buffersOf(result: EngineResults[keyof EngineResults]): ArrayBuffer[] {
  const tensor = typeof result === "object" && "exit" in result ? result.exit : result;
  return tensor instanceof Float32Array ? [tensor.buffer as ArrayBuffer] : [];
}

/** Solves whole chains for the picture thread, beside the tasks of the main thread. */
function serveChains({ chains }: EngineConnection, engine: SliceEngine): void {
  serveCalls<ChainSpec, SerialReport>(
    chains,
    (chain, signal) => engine.solve(chain, signal),
    ({ exit }) => [exit.buffer as ArrayBuffer],
  );
}

async function serve(
  port: MessagePort,
  { modelPath, threads, laneFolder, batch, device = "cpu", measureSeconds = 0 }: EngineOptions,
): Promise<void> {
  const post = (message: EngineMessage, buffers: ArrayBuffer[] = []) => port.postMessage(message, buffers);
  let network: MeasuredNetwork;
  try {
    // Before the model, so that each is blamed for its own faults.
    if (device !== "cpu") await probeDevice(device);
    network = new MeasuredNetwork(await OnnxNetwork.load(modelPath, { threads, device }));
    await measureCalls(network, measureSeconds);
  } catch (error) {
    post({ type: "unusable", failure: failureOf(error) });
    return;
  }
  const engine = new SliceEngine(network, { threads }, batch);
  const tellCosts = () => {
    const points = network.changedCosts();
    if (points.length === 0) return;
    // In a thread these are the thread's own.
    const { arrayBuffers: buffers, heapUsed: heap } = process.memoryUsage();
    post({ type: "costs", points, totals: network.callTotals(), memory: { buffers, heap } });
  };
  setInterval(tellCosts, costMilliseconds).unref();
  let last: Promise<void> = Promise.resolve();
  const answer = async ({ id, task }: EngineRequest): Promise<void> => {
    try {
      const result = await perform(engine, laneFolder, task);
      post({ type: "done", id, result }, buffersOf(result));
    } catch (error) {
      post({ type: "failed", id, failure: failureOf(error) });
    }
  };
  port.on("message", (request: EngineRequest | EngineConnection | typeof endEngine) => {
    // Of this thread, not of the process.
    if (request === endEngine) process.exit(0);
    if ("chains" in request) {
      serveChains(request, engine);
      return;
    }
    last = last.then(() => {
      const answered = answer(request);
      // A whole chain joins the batch, and the tasks behind it are done between its network calls.
      return request.task.kind === "serial" ? undefined : answered;
    });
  });
  post({ type: "ready", card: engine.network.card });
  tellCosts();
}

if (parentPort) await serve(parentPort, workerData as EngineOptions);
