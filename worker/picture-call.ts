/** One RestorePicture call on a worker. */
import type { ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import type { Span } from "@opentelemetry/api";
import { DeqfleetError, InputError, PictureError, RetryableError } from "../shared/errors.js";
import { addParts, markFailed, withinTrace, withSpan } from "../shared/telemetry/tracing.js";
import { encodeFailure } from "../shared/wire/failure-codec.js";
import type { RestorePictureReply } from "../shared/wire/generated/deqfleet/v1/RestorePictureReply.js";
import type { RestorePictureRequest__Output } from "../shared/wire/generated/deqfleet/v1/RestorePictureRequest.js";
import { decodeRequest, encodeRestored } from "../shared/wire/picture-codec.js";
import { protocolVersion } from "../shared/wire/protocol.js";
import type { Engine } from "./engine.js";
import type { OpenWork, PictureEnd, Piece } from "./open-work.js";

type RestoreCall = ServerUnaryCall<RestorePictureRequest__Output, RestorePictureReply>;

/** Restores a picture. Failures are answers, so that the coordinator learns what it may do next. */
async function answer(
  call: RestoreCall,
  engine: Engine,
  work: OpenWork,
  span: Span,
): Promise<RestorePictureReply> {
  const { request } = call;
  const started = performance.now();
  const ended = (status: PictureEnd, error?: string) => {
    work.pictureEnds[status]++;
    const { pictureId: picture } = request;
    const seconds = (performance.now() - started) / 1000;
    work.onEnded({ event: "picture-ended", job: request.job || undefined, picture, status, seconds, error });
  };
  const wanted = new AbortController();
  // Cancelled by the coordinator, or by the loss of it.
  call.on("cancelled", () => wanted.abort(new RetryableError("nobody waits for the picture any more")));
  let piece: Piece | undefined;
  try {
    piece = work.begin("picture");
    if (request.protocolVersion !== protocolVersion) {
      throw new InputError(
        `the coordinator speaks protocol ${request.protocolVersion}, this worker ${protocolVersion}: install the same version of deqfleet on both`,
      );
    }
    const { parts, restored } = await engine.pictures().restore(decodeRequest(request), wanted.signal);
    addParts(parts);
    ended("done");
    return { restored: encodeRestored(restored) };
  } catch (error) {
    markFailed(span, error);
    ended(error instanceof PictureError ? "failed" : "abandoned", DeqfleetError.messageOf(error));
    return { failure: encodeFailure(error) };
  } finally {
    piece?.end();
  }
}

/** Serves the call. */
export function serveRestorePicture(
  call: RestoreCall,
  reply: sendUnaryData<RestorePictureReply>,
  engine: Engine,
  work: OpenWork,
): void {
  const ids = { "deqfleet.job": call.request.job, "deqfleet.picture": call.request.pictureId };
  void withinTrace(call.metadata, () =>
    withSpan("restore picture", ids, (span) => answer(call, engine, work, span)),
  ).then((answered) => reply(null, answered));
}
