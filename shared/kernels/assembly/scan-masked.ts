/** The scan where a mask says which numbers belong to the range. */
import { coefficientBytes, lineBytes, scratch, stride } from "./layout";
import { addLine, coefficients, deltas, exit, fresh, measurement, noise, startLine, states, steps } from "./scan-rows";

/** The range's number where the mask is set, the null space's elsewhere. */
@inline
function pickOne(c: usize, mask: u32): f32 {
  return mask ? f32.load(c, 20) : f32.load(c);
}

/**
 * Coefficients chosen number by number: the range's where `mask` is all ones.
 * @param mask u32 of 0 or ~0, repeated every `maskBytes` of a row
 */
export function scanMasked(mask: usize, maskBytes: usize): void {
  const delta = scratch;
  for (let plane: usize = 0; plane < stride; plane += maskBytes) {
    for (let inPlane: usize = 0; inPlane < maskBytes; inPlane += lineBytes) {
      const bytes = min(lineBytes, maskBytes - inPlane);
      const at = plane + inPlane;
      const chosen = mask + inPlane;
      startLine(delta, at, bytes);
      const y = measurement + at;
      let z = states + at;
      let eps = noise + at;
      let c = coefficients;
      for (let r = 0; r < steps; r++) {
        if (deltas) memory.copy(deltas + at + <usize>r * stride, delta, bytes);
        const next = z + stride;
        const j = v128.load32_splat(c);
        const cz = v128.load32_splat(c, 4);
        const ce = v128.load32_splat(c, 8);
        const cy = v128.load32_splat(c, 12);
        const jOnRange = v128.load32_splat(c, 20);
        const czOnRange = v128.load32_splat(c, 24);
        const ceOnRange = v128.load32_splat(c, 28);
        const cyOnRange = v128.load32_splat(c, 32);
        let i: usize = 0;
        for (; i + 16 <= bytes; i += 16) {
          const m = v128.load(chosen + i);
          const d = v128.load(delta + i);
          const zi = v128.load(z + i);
          v128.store(z + i, f32x4.add(zi, d));
          const carried = f32x4.add(
            f32x4.mul(v128.bitselect(jOnRange, j, m), d),
            f32x4.mul(v128.bitselect(czOnRange, cz, m), zi),
          );
          const given = f32x4.add(
            f32x4.mul(v128.bitselect(ceOnRange, ce, m), v128.load(eps + i)),
            f32x4.mul(v128.bitselect(cyOnRange, cy, m), v128.load(y + i)),
          );
          v128.store(delta + i, f32x4.sub(f32x4.add(carried, given), v128.load(next + i)));
        }
        for (; i < bytes; i += 4) {
          const m = load<u32>(chosen + i);
          const d = f32.load(delta + i);
          const zi = f32.load(z + i);
          f32.store(z + i, zi + d);
          const carried = pickOne(c, m) * d + pickOne(c + 4, m) * zi;
          const given = pickOne(c + 8, m) * f32.load(eps + i) + pickOne(c + 12, m) * f32.load(y + i);
          f32.store(delta + i, carried + given - f32.load(next + i));
        }
        if (fresh) {
          const n = fresh + at + <usize>r * stride;
          for (let k: usize = 0; k < bytes; k += 4) {
            const weight = pickOne(c + 16, load<u32>(chosen + k));
            f32.store(delta + k, f32.load(delta + k) + weight * f32.load(n + k));
          }
        }
        z = next;
        eps += stride;
        c += coefficientBytes;
      }
      if (deltas) memory.copy(deltas + at + <usize>steps * stride, delta, bytes);
      if (exit) memory.copy(exit + at, delta, bytes);
      addLine(z, delta, bytes);
    }
  }
}

