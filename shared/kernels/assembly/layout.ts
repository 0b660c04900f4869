/**
 * What all kernels of one block of rows share. Addresses are byte offsets into the imported memory; an address of 0 means
 * "none". Rows lie `stride` bytes apart; riders `riderStride`.
 *
 * Coefficients of a step are ten floats: jacobian, state, noise estimate, measurement and fresh noise on the null space,
 * then the same on the range.
 */

/** Bytes of a step's coefficients. */
export const coefficientBytes: usize = 40;
/** Where the range's begin. */
export const rangeAt: usize = 20;

/** Bytes worked on at a time: with a line of every row, that fits the first-level cache for a dozen states. */
export const lineBytes: usize = 1024;

/** Bytes from one row to the next. */
export let stride: usize = 0;
/** Bytes from the riders of one row to those of the next. */
export let riderStride: usize = 0;
/** Memory of the kernels' own: lines that are neither rows nor riders, three and two for every state of a scan. */
export let scratch: usize = 0;
/** Bytes of such a line: {@link lineBytes} or, where riders are block means, a line of the picture. */
export let scratchLine: usize = 0;

/** Tells the kernels how the rows lie. To be called once, before anything else. */
export function setLayout(rowBytes: usize, riderBytes: usize, scratchAt: usize, scratchLineBytes: usize): void {
  stride = rowBytes;
  riderStride = riderBytes;
  scratch = scratchAt;
  scratchLine = scratchLineBytes;
}
