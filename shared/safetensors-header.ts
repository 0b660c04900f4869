/**
 * The header of a safetensors file: 8 bytes little-endian length, then JSON naming dtype, shape and byte range of every
 * tensor. Source: the format's public description (huggingface/safetensors, README "Format").
 */
import { InputError } from "./errors.js";

/** One tensor as the header states it; the byte range counts from the end of the header. */
export interface SafetensorsHeaderEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** A parsed header. */
export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, SafetensorsHeaderEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const headerEntry = (value: unknown): SafetensorsHeaderEntry | undefined => {
  if (typeof value !== "object" || value === null) return undefined;
  const { dtype, shape, data_offsets: range } = value as Record<string, unknown>;
  if (typeof dtype !== "string" || !Array.isArray(shape) || !Array.isArray(range)) return undefined;
  if (!shape.every(isCount) || range.length !== 2 || !range.every(isCount)) return undefined;
  return { dtype, shape, begin: range[0]!, end: range[1]! };
};

const parseObject = (text: string, source: string): Record<string, unknown> => {
  try {
    const header: unknown = JSON.parse(text);
    if (typeof header === "object" && header !== null) return header as Record<string, unknown>;
  } catch (cause) {
    throw new InputError(`${source}: the safetensors header is not JSON; the file is damaged`, { cause });
  }
  throw new InputError(`${source}: the safetensors header is not an object; the file is damaged`);
};

/**
 * Parses a header's JSON. Whether the ranges lie in the file is for the caller to check, see {@link requireEntryBytes}.
 * @param source the file's name, for error messages
 * @throws InputError if it is no JSON object or an entry is malformed
 */
export function parseSafetensorsHeader(text: string, source: string): SafetensorsHeader {
  const header = parseObject(text, source);
  const tensors = new Map<string, SafetensorsHeaderEntry>();
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const entry = headerEntry(value);
    if (entry === undefined) throw new InputError(`${source}: tensor ${name} has a malformed header entry`);
    tensors.set(name, entry);
  }
  return { tensors, metadata: (header.__metadata__ ?? {}) as Record<string, string> };
}

/**
 * Refuses an entry whose byte range is not what dtype and shape need, or does not lie in the file.
 * @param elementBytes bytes of one element of the entry's dtype
 * @param bodyBytes bytes of the file after the header
 */
export function requireEntryBytes(
  name: string,
  { dtype, shape, begin, end }: SafetensorsHeaderEntry,
  elementBytes: number,
  bodyBytes: number,
  source: string,
): void {
  const expected = shape.reduce((a, b) => a * b, elementBytes);
  if (end - begin === expected && end <= bodyBytes) return;
  throw new InputError(
    `${source}: tensor ${name} ${dtype} [${shape.join(", ")}] needs ${expected} bytes, has ${Math.min(end, bodyBytes) - begin}`,
  );
}
