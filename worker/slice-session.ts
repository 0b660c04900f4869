/**
 * One open slice on a worker: reads commands from the coordinator, has the engine perform them, and answers each with
 * one event.
 */
import type { ServerWritableStream } from "@grpc/grpc-js";
import { InputError, RetryableError } from "../shared/errors.js";
import { decodeChain } from "../shared/wire/chain-codec.js";
import { encodeFailure } from "../shared/wire/failure-codec.js";
import { FrameReader, FrameWriter } from "../shared/wire/frame-stream.js";
import type { OpenSliceRequest__Output } from "../shared/wire/generated/deqfleet/v1/OpenSliceRequest.js";
import type { Round__Output } from "../shared/wire/generated/deqfleet/v1/Round.js";
import type { SliceCommand__Output } from "../shared/wire/generated/deqfleet/v1/SliceCommand.js";
import type { SliceEvent } from "../shared/wire/generated/deqfleet/v1/SliceEvent.js";
import { deadlineIn, protocolVersion, sliceCallMilliseconds } from "../shared/wire/protocol.js";
import {
  decodeFloat32,
  decodeUint8,
  encodeTensor,
  laneOf,
  tensorInLane,
} from "../shared/wire/tensor-codec.js";
import type { EngineTensor } from "./engine/engine-protocol.js";
import type { Engine } from "./engine.js";
import type { ExchangeClients } from "./exchange-clients.js";
import type { OpenWork, Piece } from "./open-work.js";

type OpenSliceCall = ServerWritableStream<OpenSliceRequest__Output, SliceEvent>;
type Reader = FrameReader<SliceCommand__Output>;

const withTensor = (
  values: EngineTensor,
  event: (tensor: ReturnType<typeof encodeTensor>["tensor"]) => SliceEvent,
): SliceEvent[] => {
  if (!(values instanceof Float32Array)) return [event(tensorInLane(values.lane, values.length))];
  const { tensor, chunks } = encodeTensor(values, [values.length]);
  return [event(tensor), ...chunks.map((chunk) => ({ chunk }))];
};

/** Reads the slice's tensors and opens it in the engine. @returns whether its lane was found */
async function setUp(
  engine: Engine,
  slice: number,
  request: OpenSliceRequest__Output,
  reader: Reader,
): Promise<boolean> {
  const setup = (await reader.next())?.setup;
  if (!request.chain || !setup) throw new RetryableError("the coordinator did not set the slice up");
  const nextTensor = async () => {
    const tensor = (await reader.next())?.setupTensor;
    if (!tensor) throw new RetryableError("a tensor of the slice's setup is missing");
    return tensor;
  };
  const picture = async () => decodeFloat32(await nextTensor(), reader.nextChunk);
  const chain = decodeChain(request.chain);
  const pseudoInverse = await picture();
  const mask = setup.hasMask ? await decodeUint8(await nextTensor(), reader.nextChunk) : undefined;
  const entry = setup.hasEntry ? await picture() : undefined;
  const exit = setup.hasExit ? await picture() : undefined;
  const { begin, end } = request;
  if (begin >= end || end > chain.schedule.steps) {
    throw new InputError(`a slice [${begin}, ${end}) of ${chain.schedule.steps} steps cannot be`);
  }
  const seeds = entry || exit ? { entry, exit } : undefined;
  const spec = { chain: { ...chain, mask, pseudoInverse }, begin, end, seeds };
  const tensors = [pseudoInverse, mask, entry, exit].flatMap((t) => (t ? [t.buffer] : []));
  return engine.perform({ kind: "open", slice, spec, lane: request.lane }, tensors);
}

async function runRound(
  engine: Engine,
  slice: number,
  message: Round__Output,
  reader: Reader,
): Promise<SliceEvent[]> {
  const correction = message.correction
    ? (laneOf(message.correction) ?? (await decodeFloat32(message.correction, reader.nextChunk)))
    : undefined;
  const { round, correctFrom, evaluateFrom, evaluateTo, forget, plain, restart } = message;
  const gram = message.gram.length > 0 ? message.gram : undefined;
  const command = { round, correctFrom, evaluateFrom, evaluateTo, forget, plain, restart, correction, gram };
  const report = await engine.perform(
    { kind: "round", slice, command },
    correction instanceof Float32Array ? [correction.buffer] : [],
  );
  const { residuals, transfer, evaluations, seconds, exit } = report;
  const common = {
    residuals: [...residuals],
    transferRange: transfer.range,
    transferNull: transfer.null,
    gram: [...report.gram],
    evaluations,
    seconds,
  };
  return exit ? withTensor(exit, (tensor) => ({ round: { ...common, exit: tensor } })) : [{ round: common }];
}

/** Performs one command. @returns its event and the chunks behind it */
async function answer(
  engine: Engine,
  slice: number,
  command: SliceCommand__Output,
  reader: Reader,
): Promise<SliceEvent[]> {
  if (command.round) return runRound(engine, slice, command.round, reader);
  if (command.serial) {
    const { evaluations, seconds, exit } = await engine.perform({ kind: "serial", slice });
    return withTensor(exit, (tensor) => ({ serial: { evaluations, seconds, exit: tensor } }));
  }
  if (command.readState) {
    const which = command.readState.which === "WHICH_ENTRY" ? "entry" : "exit";
    return withTensor(await engine.perform({ kind: "read", slice, which }), (state) => ({ state }));
  }
  throw new RetryableError(`unexpected command ${command.command ?? "(none)"}`);
}

/**
 * Serves one OpenSlice call to its end. Failures are events, so that the coordinator learns what it may do next; a
 * stream that breaks means the coordinator is gone or does not want the slice any more.
 */
export async function serveSlice(
  call: OpenSliceCall,
  engine: Engine,
  exchanges: ExchangeClients,
  slice: number,
  work: OpenWork,
): Promise<void> {
  const { request } = call;
  const writer = new FrameWriter<SliceEvent>(call);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= engine.perform({ kind: "close", slice }).then(
      () => {},
      () => {},
    );
    return closing;
  };
  let opened = false;
  const commands = exchanges
    .to(request.exchangeAddress)
    .followSlice({ token: request.token }, { deadline: deadlineIn(sliceCallMilliseconds) });
  call.on("cancelled", () => {
    commands.cancel();
    // A whole chain may be under way, which nobody waits for any more.
    if (opened) void close();
  });
  const reader: Reader = new FrameReader(commands);
  let piece: Piece | undefined;
  try {
    piece = work.begin("slice");
    if (request.protocolVersion !== protocolVersion) {
      throw new InputError(
        `the coordinator speaks protocol ${request.protocolVersion}, this worker ${protocolVersion}: install the same version of deqfleet on both`,
      );
    }
    const lane = await setUp(engine, slice, request, reader);
    opened = true;
    await writer.write([{ opened: { lane } }]);
    for (let command = await reader.next(); command; command = await reader.next()) {
      // A neighbour may still want to read a boundary state; whatever computes goes elsewhere.
      if (!command.readState) work.refuseWhileDraining();
      await writer.write(await answer(engine, slice, command, reader));
    }
  } catch (error) {
    // If the stream itself is broken, nobody is left to tell.
    await writer.write([{ failure: encodeFailure(error) }]).catch(() => {});
  } finally {
    commands.cancel();
    call.end();
    if (opened) await close();
    piece?.end();
  }
}
