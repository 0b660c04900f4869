/** A round as the wire has it, and as the engine takes and answers it. */
import type { MessageSource } from "../../shared/wire/frame-stream.js";
import type { Round__Output } from "../../shared/wire/generated/deqfleet/v1/Round.js";
import type { SliceEvent } from "../../shared/wire/generated/deqfleet/v1/SliceEvent.js";
import { decodeFloat32, encodeTensor, laneOf, tensorInLane } from "../../shared/wire/tensor-codec.js";
import type { EngineResults, EngineRound, EngineTensor } from "./engine-protocol.js";

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
  { nextChunk }: Pick<MessageSource<unknown>, "nextChunk">,
): Promise<EngineRound> {
  const correction = message.correction
    ? (laneOf(message.correction) ?? (await decodeFloat32(message.correction, nextChunk)))
    : undefined;
  const { round, correctFrom, evaluateFrom, evaluateTo, forget, plain, restart } = message;
  const gram = message.gram.length > 0 ? message.gram : undefined;
  return { round, correctFrom, evaluateFrom, evaluateTo, forget, plain, restart, correction, gram };
}

/** What a round found, as its event and the chunks behind it. */
export function roundEvents(report: EngineResults["round"]): SliceEvent[] {
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
