/** One RestorePicture call on a worker. */
import type { ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { InputError, PictureError, RetryableError } from "../shared/errors.js";
import { encodeFailure } from "../shared/wire/failure-codec.js";
import type { RestorePictureReply } from "../shared/wire/generated/deqfleet/v1/RestorePictureReply.js";
import type { RestorePictureRequest__Output } from "../shared/wire/generated/deqfleet/v1/RestorePictureRequest.js";
import { decodeRequest, encodeRestored } from "../shared/wire/picture-codec.js";
import { protocolVersion } from "../shared/wire/protocol.js";
import type { Engine } from "./engine.js";
import type { OpenWork, Piece } from "./open-work.js";

type RestoreCall = ServerUnaryCall<RestorePictureRequest__Output, RestorePictureReply>;

/** Restores a picture. Failures are answers, so that the coordinator learns what it may do next. */
async function answer(call: RestoreCall, engine: Engine, work: OpenWork): Promise<RestorePictureReply> {
  const { request } = call;
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
    const restored = await engine.pictures().restore(decodeRequest(request), wanted.signal);
    work.pictureEnds.done++;
    return { restored: encodeRestored(restored) };
  } catch (error) {
    work.pictureEnds[error instanceof PictureError ? "failed" : "abandoned"]++;
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
  void answer(call, engine, work).then((answered) => reply(null, answered));
}
