/**
 * One open slice on a worker: reads commands from the coordinator, has the engine perform them, and answers each with
 * one event.
 */
import type { ClientReadableStream, ServerWritableStream } from "@grpc/grpc-js";
import type { Span } from "@opentelemetry/api";
import { DeqfleetError, InputError, RetryableError } from "../shared/errors.js";
import type { TimedPart } from "../shared/telemetry/timed-parts.js";
import { addParts, markFailed, withinTrace, withSpan } from "../shared/telemetry/tracing.js";
import { addressSchema } from "../shared/wire/address.js";
import { decodeChain } from "../shared/wire/chain-codec.js";
import { encodeFailure } from "../shared/wire/failure-codec.js";
import { FrameReader, FrameWriter } from "../shared/wire/frame-stream.js";
import type { OpenSliceRequest__Output } from "../shared/wire/generated/deqfleet/v1/OpenSliceRequest.js";
import type { Round__Output } from "../shared/wire/generated/deqfleet/v1/Round.js";
import type { SliceCommand__Output } from "../shared/wire/generated/deqfleet/v1/SliceCommand.js";
import type { SliceEvent } from "../shared/wire/generated/deqfleet/v1/SliceEvent.js";
import { decodeMoved, encodeMoved } from "../shared/wire/moved-codec.js";
import { deadlineIn, protocolVersion, sliceCallMilliseconds } from "../shared/wire/protocol.js";
import { decodeFloat32, decodeUint8, laneOf } from "../shared/wire/tensor-codec.js";
import { readRound, roundEvents, withTensor } from "./engine/round-messages.js";
import type { Engine } from "./engine.js";
import type { ExchangeClients } from "./exchange-clients.js";
import type { OpenWork, Piece } from "./open-work.js";

type OpenSliceCall = ServerWritableStream<OpenSliceRequest__Output, SliceEvent>;
type Reader = FrameReader<SliceCommand__Output>;

/**
 * Anybody can send one: a browsing client, or a coordinator whose request has other fields.
 * @throws InputError if it is of another protocol, or names no address to come to for commands
 */
function checkRequest(request: OpenSliceRequest__Output): void {
  if (request.protocolVersion !== protocolVersion) {
    throw new InputError(
      `the coordinator speaks protocol ${request.protocolVersion}, this worker ${protocolVersion}: install the same version of deqfleet on both`,
    );
  }
  if (!addressSchema.safeParse(request.exchangeAddress).success) {
    throw new InputError(
      `the slice's commands are to be fetched from "${request.exchangeAddress}", which is no HOST:PORT`,
    );
  }
}

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
  const { begin, end, token, lane, laneSocket, roundAddress } = request;
  if (begin >= end || end > chain.schedule.steps) {
    throw new InputError(`a slice [${begin}, ${end}) of ${chain.schedule.steps} steps cannot be`);
  }
  const seeds = entry || exit ? { entry, exit } : undefined;
  const spec = { chain: { ...chain, mask, pseudoInverse }, begin, end, seeds };
  const tensors = [pseudoInverse, mask, entry, exit].flatMap((t) => (t ? [t.buffer] : []));
  return engine.perform({ kind: "open", slice, spec, token, lane, laneSocket, roundAddress }, tensors);
}

async function runRound(
  engine: Engine,
  slice: number,
  message: Round__Output,
  reader: Reader,
): Promise<SliceEvent[]> {
  const command = await readRound(message, reader);
  const { correction } = command;
  const report = await engine.perform(
    { kind: "round", slice, command },
    correction instanceof Float32Array ? [correction.buffer] : [],
  );
  return roundEvents(report);
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
  if (command.give) {
    const { numbers, count, ...run } = await engine.perform({ kind: "give", slice, run: command.give });
    const moved = { ...encodeMoved({ ...run, numbers: new Float32Array() }), numbers: count };
    return withTensor(numbers, (tensor) => ({ given: { run: moved, numbers: tensor } }));
  }
  if (command.recut) {
    const { begin, end, evaluatedTo, numbers: tensor } = command.recut;
    const taken = command.recut.taken.map(decodeMoved);
    const numbers = tensor ? (laneOf(tensor) ?? (await decodeFloat32(tensor, reader.nextChunk))) : undefined;
    const recut = { begin, end, evaluatedTo, taken, numbers };
    await engine.perform(
      { kind: "recut", slice, recut },
      numbers instanceof Float32Array ? [numbers.buffer] : [],
    );
    return [{ recut: {} }];
  }
  throw new RetryableError(`unexpected command ${command.command ?? "(none)"}`);
}

/**
 * Serves one OpenSlice call to its end. Failures are events, so that the coordinator learns what it may do next; a
 * stream that breaks means the coordinator is gone or does not want the slice any more.
 */
export function serveSlice(
  call: OpenSliceCall,
  engine: Engine,
  exchanges: ExchangeClients,
  slice: number,
  work: OpenWork,
): Promise<void> {
  const { chain, begin, end } = call.request;
  const ids = { "deqfleet.picture": chain?.pictureId ?? "", "deqfleet.begin": begin, "deqfleet.end": end };
  return withinTrace(call.metadata, () =>
    withSpan("slice", ids, (span) => serve(call, engine, exchanges, slice, work, span)),
  );
}

async function serve(
  call: OpenSliceCall,
  engine: Engine,
  exchanges: ExchangeClients,
  slice: number,
  work: OpenWork,
  span: Span,
): Promise<void> {
  const { request } = call;
  const writer = new FrameWriter<SliceEvent>(call);
  let closing: Promise<readonly TimedPart[]> | undefined;
  const close = () => {
    closing ??= engine.perform({ kind: "close", slice }).then(
      (rounds) => rounds ?? [],
      () => [],
    );
    return closing;
  };
  let opened = false;
  let commands: ClientReadableStream<SliceCommand__Output> | undefined;
  call.on("cancelled", () => {
    commands?.cancel();
    // A whole chain may be under way, which nobody waits for any more.
    if (opened) void close();
  });
  let piece: Piece | undefined;
  let failure: string | undefined;
  try {
    piece = work.begin("slice");
    checkRequest(request);
    // gRPC throws at once where it cannot make sense of an address.
    commands = exchanges
      .to(request.exchangeAddress)
      .followSlice({ token: request.token }, { deadline: deadlineIn(sliceCallMilliseconds) });
    const reader: Reader = new FrameReader(commands);
    const lane = await setUp(engine, slice, request, reader);
    opened = true;
    void engine.perform({ kind: "follow", slice }).then(
      (lost) =>
        lost && commands?.destroy(new RetryableError("the coordinator's socket for rounds has ended")),
      () => {},
    );
    await writer.write([{ opened: { lane } }]);
    for (let command = await reader.next(); command; command = await reader.next()) {
      // A neighbour may still want to read a boundary state; whatever computes goes elsewhere.
      if (!command.readState) work.refuseWhileDraining();
      await writer.write(await answer(engine, slice, command, reader));
    }
  } catch (error) {
    // Closed by the coordinator while the next command was waited for, as every slice is in the end.
    if (!call.cancelled) {
      failure = DeqfleetError.messageOf(error);
      markFailed(span, error);
    }
    // If the stream itself is broken, nobody is left to tell.
    await writer.write([{ failure: encodeFailure(error) }]).catch(() => {});
  } finally {
    commands?.cancel();
    call.end();
    const rounds = opened ? await close() : [];
    addParts(rounds);
    piece?.end();
    const { chain, begin, end } = request;
    const picture = chain?.pictureId ?? "";
    work.onEnded({ event: "slice-ended", picture, begin, end, rounds: rounds.length, error: failure });
  }
}
