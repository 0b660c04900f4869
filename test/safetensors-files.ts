/** Writes safetensors files of any element type, and damaged ones. */
import { writeFile } from "node:fs/promises";

/** One tensor to write: the format's name of its element type, and its bytes. */
export interface SafetensorsTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Writes a file with the given header text and body. */
export async function writeSafetensorsText(path: string, header: string, body: Uint8Array): Promise<void> {
  const text = Buffer.from(header, "utf8");
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.byteLength));
  await writeFile(path, Buffer.concat([length, text, body]));
}

/** Writes a well-formed file. */
export async function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, SafetensorsTensor>>,
): Promise<void> {
  let at = 0;
  const header = Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
      at += bytes.byteLength;
      return [name, { dtype, shape, data_offsets: [at - bytes.byteLength, at] }];
    }),
  );
  const bodies = Object.values(tensors).map(({ bytes }) => bytes);
  await writeSafetensorsText(path, JSON.stringify(header), Buffer.concat(bodies));
}
