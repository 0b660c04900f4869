/**
 * The engine thread: owns the ONNX Runtime sessions. A run computes on the thread that calls it, so this thread hears
 * nothing while it works; the main thread goes on answering health checks and keepalives meanwhile.
 */
import { connect } from "node:net";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { ChainSpec, SerialReport } from "../../shared/chain/slice-host.js";
import { RetryableError, ReturnedError } from "../../shared/errors.js";
import { probeDevice } from "../../shared/onnx/session.js";
import { moment, type TimedPart } from "../../shared/telemetry/timed-parts.js";
import { splitNumbers } from "../../shared/wire/moved-codec.js";
import { type EventSocket, followRounds } from "../../shared/wire/round-socket.js";
import { laneCapacity, lanePath, TensorLane } from "../../shared/wire/tensor-lane.js";
import { wireTotals } from "../../shared/wire/wire-traffic.js";
import { serveCalls, threadFailure } from "../port-calls.js";
import {
  type EngineConnection,
  type EngineMessage,
  type EngineOptions,
  type EngineRequest,
  type EngineResults,
  type EngineRound,
  type EngineTask,
  type EngineTensor,
  type EngineTrouble,
  endEngine,
} from "./engine-protocol.js";
import type { EngineSlice } from "./engine-slice.js";
import { FixedBatchNetwork } from "./fixed-batch-network.js";
import { MeasuredNetwork, measureCalls } from "./measured-network.js";
import { OnnxNetwork } from "./network.js";
import { readRound, socketEvent } from "./round-messages.js";
import { RoundSockets } from "./round-sockets.js";
import { SliceEngine } from "./slice-engine.js";
import { TaskQueue } from "./task-queue.js";

/** Tasks that those behind them do not wait for: a whole chain joins the batch, and they are done between its network calls. */
const besideOthers: ReadonlySet<EngineTask["kind"]> = new Set(["serial", "follow"]);

/** Milliseconds between the end of a slice's socket and the slice's own, where its coordinator closes both. */
const closingMilliseconds = 5_000;

/** How often the main thread is told what network calls cost, if that changed. */
const costMilliseconds = 1000;

/** An open slice and its ways to the coordinator, if that is on this machine. */
interface OpenSlice {
  readonly slice: EngineSlice;
  readonly lane: TensorLane | undefined;
  readonly socket: EventSocket | undefined;
  /** What was done in it, for whoever closes it. */
  readonly rounds: TimedPart[];
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

/** Corrects and evaluates a slice. */
async function runRound(
  open: OpenSlice,
  { correction, ...command }: EngineRound,
): Promise<EngineResults["round"]> {
  const start = moment();
  const report = await open.slice.round({ ...command, correction: correction && incoming(open, correction) });
  const { evaluations } = report;
  const attributes = { "deqfleet.round": command.round, "deqfleet.evaluations": evaluations };
  open.rounds.push({ name: "round", start, end: moment(), attributes });
  return { ...report, exit: report.exit && outgoing(open, report.exit) };
}

/** Whether the worker takes nothing new. */
let draining = false;

/** Answers the rounds that come by a slice's socket until it is closed. Never throws. */
async function answerRounds(open: OpenSlice, socket: EventSocket, queue: TaskQueue): Promise<void> {
  try {
    for (let message = await socket.next(); message; message = await socket.next()) {
      if (!message.round) throw new RetryableError(`unexpected command ${message.command ?? "(none)"}`);
      const command = await readRound(message.round, socket);
      // A neighbour may still read a boundary state; whatever computes goes elsewhere.
      if (draining) throw new ReturnedError("the worker is draining");
      const report = await queue.add(() => runRound(open, command));
      const { event, behind } = socketEvent(report);
      await socket.write([event], behind);
    }
  } catch (error) {
    await socket.write([{ failure: threadFailure(error) }]);
  }
}

/** What tasks are performed with. */
interface Parts {
  readonly engine: SliceEngine;
  readonly network: MeasuredNetwork;
  readonly laneFolder: string | undefined;
  readonly sockets: RoundSockets;
  readonly queue: TaskQueue;
}

/** The slice's own way for rounds: beside its lane, or to another machine. */
async function socketFor(
  { token, laneSocket, roundAddress, spec }: Extract<EngineTask, { kind: "open" }>,
  folder: string | undefined,
  sockets: RoundSockets,
): Promise<EventSocket | undefined> {
  const path = folder && lanePath(folder, laneSocket);
  const found = path
    ? await followRounds(connect({ path }), token)
    : await sockets.follow(roundAddress, token);
  if (found === undefined || typeof found === "string") return undefined;
  const { height, width } = spec.chain.canvas;
  found.permit(4 * 3 * height * width);
  return found;
}

/** Opens a slice, and meanwhile its way for rounds. @returns whether its lane was found */
async function openSlice(
  { engine, laneFolder: folder, sockets, queue }: Parts,
  task: Extract<EngineTask, { kind: "open" }>,
): Promise<boolean> {
  const { chain } = task.spec;
  const lane = folder && task.lane ? TensorLane.open(folder, task.lane, laneCapacity(chain)) : undefined;
  const dialled = socketFor(task, lane && folder, sockets);
  let slice: EngineSlice;
  try {
    slice = await engine.open(task.spec);
  } catch (error) {
    lane?.close();
    void dialled.then((socket) => socket?.close());
    throw error;
  }
  const socket = await dialled;
  const open = { slice, lane, socket, rounds: [] };
  slices.set(task.slice, open);
  if (socket) void answerRounds(open, socket, queue);
  return lane !== undefined;
}

/**
 * Waits for the end of a slice's socket.
 * @returns whether the slice has lost its coordinator with it, which closes the socket first where it closes the slice
 */
async function followSocket(id: number): Promise<boolean> {
  const open = slices.get(id);
  if (!open?.socket) return false;
  await open.socket.ended;
  await new Promise((resolve) => setTimeout(resolve, closingMilliseconds).unref());
  return slices.get(id) === open;
}

async function perform(parts: Parts, task: EngineTask): Promise<EngineResults[keyof EngineResults]> {
  switch (task.kind) {
    case "open": {
      return openSlice(parts, task);
    }
    case "follow": {
      return followSocket(task.slice);
    }
    case "round": {
      return runRound(sliceOf(task.slice), task.command);
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
    case "give": {
      const open = sliceOf(task.slice);
      const { numbers, ...given } = await open.slice.give(task.run);
      return { ...given, count: numbers.length, numbers: outgoing(open, numbers) };
    }
    case "recut": {
      const open = sliceOf(task.slice);
      const { taken, numbers, ...range } = task.recut;
      const runs = splitNumbers(taken, numbers && incoming(open, numbers));
      await open.slice.recut({ ...range, taken: runs });
      return undefined;
    }
    case "drain": {
      draining = true;
      return undefined;
    }
    case "measure": {
      const { network } = parts;
      await measureCalls(network, task.seconds, undefined, task.size);
      return network.costsOf(task.size);
    }
    case "close": {
      const open = slices.get(task.slice);
      slices.delete(task.slice);
      open?.socket?.close();
      open?.lane?.close();
      await open?.slice.close();
      return open?.rounds;
    }
  }
}

/** Buffers of a result, to be handed over instead of copied. */
function buffersOf(result: EngineResults[keyof EngineResults]): ArrayBuffer[] {
  let tensor: EngineResults[keyof EngineResults] | undefined = result;
  if (typeof result === "object" && "numbers" in result) tensor = result.numbers;
  else if (typeof result === "object" && "exit" in result) tensor = result.exit;
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
  { modelPath, threads, laneFolder, batch, device = "cpu", measureSeconds = 0, tls = null }: EngineOptions,
): Promise<void> {
  const post = (message: EngineMessage, buffers: ArrayBuffer[] = []) => port.postMessage(message, buffers);
  const tell = (trouble: EngineTrouble) => post({ type: "trouble", trouble });
  let network: MeasuredNetwork;
  try {
    // Before the model, so that each is blamed for its own faults.
    if (device !== "cpu") await probeDevice(device);
    const load = () => OnnxNetwork.load(modelPath, { threads, device });
    const onTrouble = (reason: string) => tell({ kind: "batches-limited", reason });
    network = new MeasuredNetwork(
      await (device === "cpu" ? load() : FixedBatchNetwork.over({ open: load, onTrouble })),
    );
    await measureCalls(network, measureSeconds);
  } catch (error) {
    post({ type: "unusable", failure: threadFailure(error) });
    return;
  }
  const engine = new SliceEngine(network, { threads }, batch);
  let told = 0;
  const tellCosts = () => {
    const points = network.changedCosts();
    const wire = wireTotals();
    const messages = wire.reduce((sum, total) => sum + total.messages, 0);
    if (points.length === 0 && messages === told) return;
    told = messages;
    // In a thread these are the thread's own.
    const { arrayBuffers: buffers, heapUsed: heap } = process.memoryUsage();
    post({ type: "costs", points, totals: network.callTotals(), memory: { buffers, heap }, wire });
  };
  setInterval(tellCosts, costMilliseconds).unref();
  const sockets = new RoundSockets(tls, (address, reason) =>
    tell({ kind: "rounds-unreachable", address, reason }),
  );
  const parts: Parts = { engine, network, laneFolder, sockets, queue: new TaskQueue() };
  const answer = async ({ id, task }: EngineRequest): Promise<void> => {
    try {
      const result = await perform(parts, task);
      post({ type: "done", id, result }, buffersOf(result));
    } catch (error) {
      post({ type: "failed", id, failure: threadFailure(error) });
    }
  };
  port.on("message", (request: EngineRequest | EngineConnection | typeof endEngine) => {
    // Of this thread, not of the process.
    if (request === endEngine) process.exit(0);
    if ("chains" in request) {
      serveChains(request, engine);
      return;
    }
    void parts.queue.add(async () => {
      const answered = answer(request);
      if (!besideOthers.has(request.task.kind)) await answered;
    });
  });
  post({ type: "ready", card: engine.network.card });
  tellCosts();
}

if (parentPort) await serve(parentPort, workerData as EngineOptions);
