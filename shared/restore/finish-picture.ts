/** From the last state of a chain to files: cropped, judged, encoded. */
import type { TaskSettings } from "../../shared/operators/task.js";
import { encodePicture } from "../../shared/pictures/encode.js";
import { writeMeasurement } from "../../shared/pictures/measurement-file.js";
import { qualityAgainst } from "../../shared/pictures/metrics.js";
import { cropTo } from "../../shared/pictures/pad.js";
import { contentHash } from "./picture-key.js";
import type { PicturePlace } from "./picture-places.js";
import type { PreparedPicture } from "./prepare-picture.js";
import { finite } from "./report.js";

/** What is known of a restored picture. */
export interface PictureJudgement {
  /** ||A x - y|| / ||y|| on the canvas, before rounding; null if y is zero and A x is not. */
  readonly consistency: number | null;
  /** dB; null without an original, and for equal pictures. */
  readonly psnr: number | null;
  readonly ssim: number | null;
}

/** ||A x - y|| / ||y||: 0 where the restored picture explains the measurement exactly. */
export function relativeResidual(applied: Float32Array, measurement: Float32Array): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < measurement.length; i++) {
    difference += (applied[i]! - measurement[i]!) ** 2;
    norm += measurement[i]! ** 2;
  }
  return difference === 0 ? 0 : Math.sqrt(difference / norm);
}

/**
 * Saves the measurement of a simulation: 16 bits a channel, without padding and without transparency (values beyond
 * [-1, 1], which bicubic weights can make, are clamped in the file only). Compressed sensing is saved as numbers.
 * @throws FatalError if it cannot be written
 */
export async function saveMeasurement(
  path: string,
  prepared: PreparedPicture,
  task: TaskSettings,
): Promise<void> {
  const { canvas, measurement, size } = prepared;
  const shape = canvas.operator.measurement;
  if (task.task === "cs-hadamard") {
    await writeMeasurement(path, {
      task: task.task,
      values: measurement,
      measurement: shape,
      picture: size,
      settings: JSON.stringify(task),
    });
    return;
  }
  const scale = canvas.canvas.height / shape.height;
  const part = { height: size.height / scale, width: size.width / scale };
  const cropped = cropTo(measurement, shape, part);
  await encodePicture(cropped, { channels: shape.channels, ...part }, { bitDepth: 16, path });
}

/**
 * Judges a restored picture and writes it.
 * @param picture z_T on the canvas
 * @returns the judgement and the SHA-256 of the file
 * @throws PictureError if the picture is not finite or cannot be encoded, FatalError if it cannot be written
 */
export async function finishPicture(
  place: PicturePlace,
  prepared: PreparedPicture,
  picture: Float32Array,
): Promise<PictureJudgement & { readonly outputHash: string }> {
  const { canvas, size, original, alpha, bitDepth, measurement } = prepared;
  const { operator } = canvas;
  const shape = { channels: 3, ...size };
  const cropped = cropTo(picture, operator.picture, size);
  await encodePicture(cropped, shape, { bitDepth, alpha, path: place.output });
  const quality = original && qualityAgainst(original, cropped, shape);
  return {
    consistency: finite(relativeResidual(operator.apply(picture), measurement)),
    psnr: quality ? finite(quality.psnr) : null,
    ssim: quality ? finite(quality.ssim) : null,
    outputHash: await contentHash(place.output),
  };
}
