/**
 * The pixel of a line of n pixels found at `position` when the line is mirrored at its edges, the edge pixels repeated
 * (half-sample symmetric: ... 1 0 | 0 1 ... n-1 | n-1 n-2 ...), however far outside `position` lies.
 */
export function reflect(position: number, n: number): number {
  const wrapped = ((position % (2 * n)) + 2 * n) % (2 * n);
  return wrapped < n ? wrapped : 2 * n - 1 - wrapped;
}
