/** Whole pictures as messages. */
import { z } from "zod";
import { InputError, RetryableError } from "../errors.js";
import { restorationSchema } from "../jobs/job.js";
import type { Location, RestoredWhole, WholePicture } from "../restore/whole-picture.js";
import type { Location as LocationMessage } from "./generated/deqfleet/v1/Location.js";
import type { RestoredPicture } from "./generated/deqfleet/v1/RestoredPicture.js";
import type { RestorePictureRequest } from "./generated/deqfleet/v1/RestorePictureRequest.js";
import { protocolVersion } from "./protocol.js";

const encodeLocation = ({ store, key }: Location): LocationMessage => ({ store: store ?? "", key });

const locationSchema = z
  .object({ store: z.string(), key: z.string().min(1) })
  .transform(({ store, key }): Location => ({ store: store === "" ? null : store, key }));

const jsonSchema = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: "custom", message: "is no JSON" });
    return z.NEVER;
  }
});

const requestSchema = z.object({
  pictureId: z.string().min(1),
  restorationJson: jsonSchema.pipe(restorationSchema),
  input: locationSchema,
  output: locationSchema,
  measurement: locationSchema.nullish(),
  mask: z.object({ location: locationSchema, sha256: z.string().regex(/^[0-9a-f]{64}$/) }).nullish(),
  job: z.string().default(""),
});

/** A request as a message. */
export function encodeRequest(picture: WholePicture): RestorePictureRequest {
  const { pictureId, restoration, input, output, measurement, mask, job } = picture;
  return {
    protocolVersion,
    pictureId,
    restorationJson: JSON.stringify(restoration),
    input: encodeLocation(input),
    output: encodeLocation(output),
    measurement: measurement ? encodeLocation(measurement) : null,
    mask: mask ? { location: encodeLocation(mask.location), sha256: mask.sha256 } : null,
    job: job ?? "",
  };
}

/** The message's request. @throws InputError if it is not valid */
export function decodeRequest(message: RestorePictureRequest): WholePicture {
  const { data, error } = requestSchema.safeParse(message);
  if (!data) throw new InputError(`the request for a picture is not valid: ${z.prettifyError(error)}`);
  const { restorationJson: restoration, measurement, mask, job, ...rest } = data;
  const optional = { measurement: measurement ?? undefined, mask: mask ?? undefined };
  return { ...rest, ...optional, restoration, job: job === "" ? undefined : job };
}

/** An answer as a message. */
export function encodeRestored({ seconds, canvas, ...rest }: RestoredWhole): RestoredPicture {
  // A field that is null is left out.
  const optional = rest as { [Field in keyof typeof rest]: NonNullable<(typeof rest)[Field]> };
  return {
    ...optional,
    networkSeconds: seconds.network,
    totalSeconds: seconds.total,
    canvasHeight: canvas.height,
    canvasWidth: canvas.width,
  };
}

const restoredSchema = z
  .object({
    sha256: z.string(),
    evaluations: z.number(),
    consistency: z.number().nullish(),
    psnr: z.number().nullish(),
    ssim: z.number().nullish(),
    networkSeconds: z.number(),
    totalSeconds: z.number(),
    canvasHeight: z.int().min(1),
    canvasWidth: z.int().min(1),
  })
  .transform(
    ({ sha256, evaluations, consistency, psnr, ssim, ...rest }): RestoredWhole => ({
      sha256,
      evaluations,
      consistency: consistency ?? null,
      psnr: psnr ?? null,
      ssim: ssim ?? null,
      canvas: { height: rest.canvasHeight, width: rest.canvasWidth },
      seconds: { network: rest.networkSeconds, total: rest.totalSeconds },
    }),
  );

/** The message's answer. @throws RetryableError if it is not valid */
export function decodeRestored(message: RestoredPicture): RestoredWhole {
  const { data, error } = restoredSchema.safeParse(message);
  if (!data) throw new RetryableError(`a worker's answer is not valid: ${z.prettifyError(error)}`);
  return data;
}
