/**
 * Conversion from a matrix or gray ICC profile to sRGB at full precision. libvips converts through Little CMS, which
 * interpolates 16-bit pixels in a coarse grid (errors of several 8-bit gray levels were measured) and has no 16-bit path
 * that ends in sRGB; these profiles need only three curves and a matrix. Profiles with lookup tables are left to libvips.
 * Source: ICC.1:2022 sections 8.3 (matrix model), 10.6 (curveType), 10.18 (parametricCurveType); IEC 61966-2-1 (sRGB).
 */

/** Device values in [0, 1] to linear light. */
type Curve = (device: number) => number;

/** A profile whose device space is linear light after one curve a channel. */
export interface CurveProfile {
  /** One curve (gray) or three (red, green, blue). */
  readonly curves: readonly Curve[];
  /** Row-major 3x3: linear device colour to linear sRGB; the identity for gray. */
  readonly toLinearSrgb: readonly number[];
}

/** XYZ relative to D50 (the profile connection space) to linear sRGB; Bradford-adapted (Lindbloom). */
const srgbFromD50 = [
  3.1338561, -1.6168667, -0.4906146, -0.9787684, 1.9161415, 0.033454, 0.0719453, -0.2289914, 1.4052427,
] as const;
const identity = [1, 0, 0, 0, 1, 0, 0, 0, 1] as const;

const multiply = (a: readonly number[], b: readonly number[]): number[] =>
  Array.from({ length: 9 }, (_, i) => {
    const row = 3 * Math.floor(i / 3);
    const column = i % 3;
    return a[row]! * b[column]! + a[row + 1]! * b[3 + column]! + a[row + 2]! * b[6 + column]!;
  });

const encodeSrgb = (linear: number): number =>
  linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
const decodeSrgb = (code: number): number =>
  code <= 0.04045 ? code / 12.92 : ((code + 0.055) / 1.055) ** 2.4;

const ascii = (view: DataView, at: number): string =>
  String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
const fixed = (view: DataView, at: number): number => view.getInt32(at) / 65536;

const sampledCurve = (view: DataView, at: number): Curve => {
  const count = view.getUint32(at + 8);
  if (count === 0) return (x) => x;
  if (count === 1) {
    const gamma = view.getUint16(at + 12) / 256;
    return (x) => x ** gamma;
  }
  // Read the last sample first: a damaged count must fail here, not fill the memory.
  view.getUint16(at + 12 + 2 * (count - 1));
  const samples = Float64Array.from({ length: count }, (_, i) => view.getUint16(at + 12 + 2 * i) / 65535);
  return (x) => {
    const place = x * (count - 1);
    const left = Math.min(Math.floor(place), count - 2);
    return samples[left]! + (place - left) * (samples[left + 1]! - samples[left]!);
  };
};

const parametricCurve = (view: DataView, at: number): Curve | undefined => {
  const kind = view.getUint16(at + 8);
  const counts = [1, 3, 4, 5, 7];
  if (kind >= counts.length) return undefined;
  const p = Array.from({ length: counts[kind]! }, (_, i) => fixed(view, at + 12 + 4 * i));
  const [g = 1, a = 1, b = 0, c = 0, d = 0, e = 0, f = 0] = p;
  const power = (x: number): number => Math.max(a * x + b, 0) ** g;
  switch (kind) {
    case 0:
      return (x) => x ** g;
    case 1:
      return (x) => (x >= -b / a ? power(x) : 0);
    case 2:
      return (x) => (x >= -b / a ? power(x) + c : c);
    case 3:
      return (x) => (x >= d ? power(x) : c * x);
    default:
      return (x) => (x >= d ? power(x) + e : c * x + f);
  }
};

const readTags = (view: DataView): Map<string, number> => {
  const count = view.getUint32(128);
  const tags = new Map<string, number>();
  for (let i = 0; i < count; i++) tags.set(ascii(view, 132 + 12 * i), view.getUint32(136 + 12 * i));
  return tags;
};

const parse = (view: DataView): CurveProfile | undefined => {
  const space = ascii(view, 16);
  if (ascii(view, 20) !== "XYZ " || (space !== "RGB " && space !== "GRAY")) return undefined;
  const tags = readTags(view);
  // With a lookup table present the table, not the matrix, is what the profile means (section 8.10.2).
  if (tags.has("A2B0")) return undefined;
  const curves: Curve[] = [];
  for (const name of space === "GRAY" ? ["kTRC"] : ["rTRC", "gTRC", "bTRC"]) {
    const at = tags.get(name);
    if (at === undefined) return undefined;
    const type = ascii(view, at);
    const curve =
      type === "curv" ? sampledCurve(view, at) : type === "para" ? parametricCurve(view, at) : undefined;
    if (curve === undefined) return undefined;
    curves.push(curve);
  }
  if (space === "GRAY") return { curves, toLinearSrgb: identity };
  const columns = ["rXYZ", "gXYZ", "bXYZ"].map((name) => tags.get(name));
  const toXyz: number[] = [];
  for (const component of [8, 12, 16]) {
    for (const at of columns) {
      if (at === undefined) return undefined;
      toXyz.push(fixed(view, at + component));
    }
  }
  return { curves, toLinearSrgb: multiply(srgbFromD50, toXyz) };
};

/**
 * Reads an ICC profile made of curves (gray) or curves and a matrix (RGB).
 * @returns undefined for any other profile: lookup tables, CMYK, damaged
 */
export function readCurveProfile(profile: Uint8Array): CurveProfile | undefined {
  try {
    return parse(new DataView(profile.buffer, profile.byteOffset, profile.byteLength));
  } catch (error) {
    // A truncated profile reads past its end; libvips then ignores it with a warning, as viewers do.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/**
 * Whether the profile is sRGB, up to the rounding in which one maker's sRGB profile differs from another's: values with such
 * a profile are best left exactly as they are.
 */
export function isSrgb({ curves, toLinearSrgb }: CurveProfile): boolean {
  return (
    toLinearSrgb.every((m, i) => Math.abs(m - identity[i]!) < 1e-3) &&
    curves.every((curve) =>
      [0.01, 0.03, 0.1, 0.3, 0.5, 0.8, 1].every((x) => Math.abs(curve(x) - decodeSrgb(x)) < 5e-4),
    )
  );
}

const steps = 65535;

const sampled = (f: (x: number) => number): Float64Array =>
  Float64Array.from({ length: steps + 2 }, (_, i) => f(Math.min(i / steps, 1)));

/**
 * Converts planar device values [channels, pixels] in [-1, 1] to sRGB in place; colours outside sRGB are clipped (relative
 * colorimetric). The values must stand for 8- or 16-bit codes.
 */
export function convertToSrgb(values: Float32Array, { curves, toLinearSrgb: m }: CurveProfile): void {
  const linear = curves.map(sampled);
  const toLinear = (curve: number, value: number): number =>
    linear[curve]![Math.round(((value + 1) / 2) * steps)]!;
  const encode = sampled(encodeSrgb);
  const toValue = (light: number): number => {
    const place = Math.min(Math.max(light, 0), 1) * steps;
    const left = Math.floor(place);
    return 2 * (encode[left]! + (place - left) * (encode[left + 1]! - encode[left]!)) - 1;
  };
  if (curves.length === 1) {
    for (let i = 0; i < values.length; i++) values[i] = toValue(toLinear(0, values[i]!));
    return;
  }
  const pixels = values.length / 3;
  for (let i = 0; i < pixels; i++) {
    const r = toLinear(0, values[i]!);
    const g = toLinear(1, values[pixels + i]!);
    const b = toLinear(2, values[2 * pixels + i]!);
    values[i] = toValue(m[0]! * r + m[1]! * g + m[2]! * b);
    values[pixels + i] = toValue(m[3]! * r + m[4]! * g + m[5]! * b);
    values[2 * pixels + i] = toValue(m[6]! * r + m[7]! * g + m[8]! * b);
  }
}
