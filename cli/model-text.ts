/** How the `model` commands print what they found: aligned pairs, and numbers as people read them. */

/** 1234567 as 1,234,567. */
export const countText = (count: number): string => count.toLocaleString("en-US");

const byteUnits = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const;

/** Bytes in the largest unit that keeps them above 1. */
export function bytesText(bytes: number): string {
  const unit = Math.min(byteUnits.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return unit === 0 ? `${bytes} bytes` : `${(bytes / 1024 ** unit).toFixed(1)} ${byteUnits[unit]}`;
}

const largeUnits = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
] as const;

/** 1.12e12 as 1.120 T. */
export function largeText(value: number): string {
  const unit = largeUnits.find(([size]) => value >= size);
  return unit ? `${(value / unit[0]).toFixed(3)} ${unit[1]}` : countText(value);
}

/** Settings as `name value`, in a row; lists joined by commas, what is not set left out. */
export const settingsText = (settings: Readonly<Record<string, unknown>>): string =>
  Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(",") || "none" : String(value)}`)
    .join(", ");

/** Lines of name and value, the values in one column. A name may have several values, one a line. */
export function pairsText(pairs: readonly (readonly [string, string | readonly string[]])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs
    .flatMap(([name, value]) =>
      [value].flat().map((one, i) => `${(i === 0 ? name : "").padEnd(width)}  ${one}\n`),
    )
    .join("");
}
