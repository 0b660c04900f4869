/** What triangular mixing needs to know of the rest of the chain. */

/**
 * Gram sums of the states before each slice: prefix sums of what the slices reported.
 * @param grams of the slices in the chain's order, [m, m] row-major; empty for a slice that corrected nothing
 */
export function sumsBefore(grams: readonly (readonly number[])[]): number[][] {
  const size = Math.max(0, ...grams.map(({ length }) => length));
  let sums = new Array<number>(size).fill(0);
  return grams.map((gram) => {
    const before = sums;
    sums = before.map((sum, at) => sum + (gram[at] ?? 0));
    return before;
  });
}
