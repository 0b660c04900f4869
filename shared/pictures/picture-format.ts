/** The picture formats deqfleet reads and writes, and the file extensions that stand for them. */
import { extname } from "node:path";

/** A format by the name libvips gives it. */
export type PictureFormat = "png" | "jpeg" | "webp" | "tiff";

const formatByExtension: ReadonlyMap<string, PictureFormat> = new Map([
  [".png", "png"],
  [".jpg", "jpeg"],
  [".jpeg", "jpeg"],
  [".webp", "webp"],
  [".tif", "tiff"],
  [".tiff", "tiff"],
]);

/** Extensions of pictures, lower case with the dot, for messages. */
export const pictureExtensions: readonly string[] = [...formatByExtension.keys()];

/** Extension of measurements that are no picture (compressed sensing). */
export const measurementExtension = ".safetensors";

/** The format a file name's extension (any case) stands for; undefined when it is no picture's. */
export const formatOfPath = (path: string): PictureFormat | undefined =>
  formatByExtension.get(extname(path).toLowerCase());

/** Whether the file name is that of a measurement file, in any case. */
export const isMeasurementPath = (path: string): boolean =>
  extname(path).toLowerCase() === measurementExtension;

/** Whether a decoder's format name is one deqfleet reads. */
export const isPictureFormat = (name: string | undefined): name is PictureFormat =>
  name === "png" || name === "jpeg" || name === "webp" || name === "tiff";
