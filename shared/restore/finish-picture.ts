/** From the last state of a chain to the contents of files: cropped, judged, encoded. */
import { finite } from "../finite.js";
import type { TaskSettings } from "../operators/task.js";
import { encodePicture } from "../pictures/encode.js";
import { encodeMeasurement } from "../pictures/measurement-file.js";
import { qualityAgainst } from "../pictures/metrics.js";
import { cropTo } from "../pictures/pad.js";
import type { MeasuredPicture } from "./prepare-picture.js";
import type { PictureJudgement } from "./whole-picture.js";

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
 * The file of a simulation's measurement: 16 bits a channel, without padding and without transparency (values beyond
 * [-1, 1], which bicubic weights can make, are clamped in the file only). Compressed sensing is saved as numbers.
 * @param path the file it is for: its extension decides the format
 */
export async function measurementFile(
  path: string,
  prepared: MeasuredPicture,
  task: TaskSettings,
): Promise<Uint8Array> {
  const { canvas, measurement, size } = prepared;
  const shape = canvas.operator.measurement;
  if (task.task === "cs-hadamard") {
    return encodeMeasurement(path, {
      task: task.task,
      values: measurement,
      measurement: shape,
      picture: size,
      settings: JSON.stringify(task),
    });
  }
  const scale = canvas.canvas.height / shape.height;
  const part = { height: size.height / scale, width: size.width / scale };
  const cropped = cropTo(measurement, shape, part);
  return encodePicture(cropped, { channels: shape.channels, ...part }, { bitDepth: 16, path });
}

/**
 * Judges and encodes a restored picture.
 * @param path the file it is for: its extension decides the format
 * @param picture z_T on the canvas
 * @throws PictureError if the picture is not finite or cannot be encoded
 */
export async function finishPicture(
  path: string,
  prepared: MeasuredPicture,
  picture: Float32Array,
): Promise<{ readonly file: Uint8Array; readonly judgement: PictureJudgement }> {
  const { canvas, size, original, alpha, bitDepth, measurement } = prepared;
  const { operator } = canvas;
  const shape = { channels: 3, ...size };
  const cropped = cropTo(picture, operator.picture, size);
  const file = await encodePicture(cropped, shape, { bitDepth, alpha, path });
  const quality = original && qualityAgainst(original, cropped, shape);
  const judgement = {
    consistency: finite(relativeResidual(operator.apply(picture), measurement)),
    psnr: quality ? finite(quality.psnr) : null,
    ssim: quality ? finite(quality.ssim) : null,
  };
  return { file, judgement };
}
