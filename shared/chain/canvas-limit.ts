/** How large a canvas may be: what peers ask for is bounded before any memory is made for it. */
import { PictureError } from "../errors.js";
import type { PictureSize } from "../operators/task.js";

/** Bytes of a row: 3 channels of float32 a pixel. */
const rowBytes = 3 * 4;

/** Rows of the smallest slice, one step of a serial chain: two states, one noise estimate, A^+ y, and the two of the boundaries. */
const fewestRows = 6;

/**
 * Most pixels of a canvas, and of the pictures a network is measured with: beyond them not even one step fits in the 4 GiB that a
 * slice may hold. Three and a half times what `--max-pixels` permits by default.
 */
export const mostCanvasPixels = Math.floor(2 ** 32 / (fewestRows * rowBytes));

/** @throws PictureError if a slice cannot hold pictures of that size: others may be smaller */
export function checkCanvas({ height, width }: PictureSize): void {
  const pixels = height * width;
  if (pixels <= mostCanvasPixels) return;
  throw new PictureError(
    `a canvas of ${height}x${width} (HxW) is ${pixels} pixels, above the ${mostCanvasPixels} of which a slice can hold a step: make the picture smaller`,
  );
}
