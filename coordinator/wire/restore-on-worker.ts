/** Whole pictures on a worker: one call each. */
import { RetryableError } from "../../shared/errors.js";
import type { RestoredWhole, WholePicture } from "../../shared/restore/whole-picture.js";
import { decodeFailure } from "../../shared/wire/failure-codec.js";
import { decodeRestored, encodeRequest } from "../../shared/wire/picture-codec.js";
import { tellExchange } from "../../shared/wire/wire-traffic.js";
import type { WorkerChannel } from "./worker-channel.js";

/** Generous: a chain of a large picture on a slow processor takes hours. */
const defaultMilliseconds = 2 * 3600 * 1000;

/**
 * Has a worker restore a picture; when this resolves its output is visible and durable. Several pictures may be on one worker,
 * which reads the next and writes the last ones while it computes.
 * @param signal cancels the picture: it leaves the worker's batch, and nothing of it is written any more
 * @param milliseconds after which the worker is taken for lost
 * @throws PictureError if the picture cannot be restored, InputError if the settings are wrong, StoreUnavailableError if a store
 *   cannot be used at present, FatalError if local files cannot be written, RetryableError if the worker was lost or drains, the
 *   signal's reason when it aborts
 */
export async function restoreOnWorker(
  channel: WorkerChannel,
  picture: WholePicture,
  signal: AbortSignal,
  milliseconds = defaultMilliseconds,
): Promise<RestoredWhole> {
  const started = performance.now();
  const reply = await channel.restorePicture(encodeRequest(picture), milliseconds, signal);
  if (reply.failure) throw decodeFailure(reply.failure);
  if (!reply.restored) throw new RetryableError(`worker ${channel.address} gave an empty answer`);
  const restored = decodeRestored(reply.restored);
  tellExchange("picture", started, restored.seconds.total);
  return restored;
}
