/** A round as the wire has it, and as the engine takes and answers it. */
import type { MessageSource } from "../../shared/wire/frame-stream.js";
import type { Round__Output } from "../../shared/wire/generated/deqfleet/v1/Round.js";
import type { SliceEvent } from "../../shared/wire/generated/deqfleet/v1/SliceEvent.js";
import {
  encodeTensor,
  laneOf,
  receiveFloat32,
  tensorBehind,
  tensorInLane,
} from "../../shared/wire/tensor-codec.js";
import type { EngineResults, EngineRound, EngineTensor } from "./engine-protocol.js";

/** An event, and the values that follow it on a socket. */
export interface SocketEvent {
  readonly event: SliceEvent;
  readonly behind?: Float32Array;
}

/** The event that carries a tensor, and the chunks behind it. */
export function withTensor(
  values: EngineTensor,
  event: (tensor: ReturnType<typeof encodeTensor>["tensor"]) => SliceEvent,
): SliceEvent[] {
  if (!(values instanceof Float32Array)) return [event(tensorInLane(values.lane, values.length))];
  const { tensor, chunks } = encodeTensor(values, [values.length]);
  return [event(tensor), ...chunks.map((chunk) => ({ chunk }))];
}

/** Reads a round, and its correction if that travels in messages. */
export async function readRound(
  message: Round__Output,
  source: Pick<MessageSource<unknown>, "nextChunk" | "nextTensor">,
): Promise<EngineRound> {
  const correction = message.correction
    ? (laneOf(message.correction) ?? (await receiveFloat32(message.correction, source)))
    : undefined;
  const { round, correctFrom, evaluateFrom, evaluateTo, forget, plain, restart, correctAhead } = message;
  const gram = message.gram.length > 0 ? message.gram : undefined;
  const range = { round, correctFrom, evaluateFrom, evaluateTo };
  return { ...range, forget, plain, restart, correctAhead, correction, gram };
}

const found = ({ residuals, transfer, evaluations, seconds, gram }: EngineResults["round"]) => ({
  residuals: [...residuals],
  transferRange: transfer.range,
  transferNull: transfer.null,
  gram: [...gram],
  evaluations,
  seconds,
});

/** What a round found, as its event and the chunks behind it. */
export function roundEvents(report: EngineResults["round"]): SliceEvent[] {
  const { exit } = report;
  const common = found(report);
  return exit ? withTensor(exit, (tensor) => ({ round: { ...common, exit: tensor } })) : [{ round: common }];
}

/** What a round found, as its event and the values behind it. */
export function socketEvent(report: EngineResults["round"]): SocketEvent {
  const { exit } = report;
  const common = found(report);
  if (!exit) return { event: { round: common } };
  return exit instanceof Float32Array
    ? { event: { round: { ...common, exit: tensorBehind(exit) } }, behind: exit }
    : { event: { round: { ...common, exit: tensorInLane(exit.lane, exit.length) } } };
}
