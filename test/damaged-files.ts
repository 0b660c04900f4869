/** Files of the embedded log that the disk has damaged. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { LineFile } from "../coordinator/jobs/embedded-log/line-file.js";

/** Changes a byte of a file's first line. */
export async function damage(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[20] ^= 1;
  await writeFile(path, bytes);
}

/** A file that nobody has opened yet, of which the first of two durable lines is damaged. */
export async function writeDamaged(path: string, ...lines: readonly [unknown, unknown]): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const file = await LineFile.open(path);
  for (const line of lines) await file.append([line]);
  await file.close();
  await damage(path);
}
