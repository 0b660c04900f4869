/** Identity of a restored picture: everything its pixels depend on, as one hash. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { RestoreSettings } from "../../shared/config/restore-settings.js";

/** Raised when the same settings give other pixels than in earlier versions. */
const keyVersion = 1;

/** SHA-256 of a file's content, hex. Rejects with the file system's error if it cannot be read. */
export async function contentHash(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** Content hashes of the files a picture is made from. */
export interface SourceHashes {
  readonly input: string;
  readonly model: string;
  /** null where the task has no mask. */
  readonly mask: string | null;
}

/**
 * The key of a picture, hex. Plan, workers, threads, batch and window are not part of it: they decide how a picture is computed,
 * not which one (up to `tol`).
 * @param relativePath identifies the picture in its dataset, and by it the noise it starts from
 */
export function pictureKey(settings: RestoreSettings, relativePath: string, hashes: SourceHashes): string {
  const { task, simulate, steps, start, spacing, etw, nw, seed, method, tol, maxRounds } = settings;
  const chain = [task, simulate, steps, start, spacing, etw, nw, seed, method, tol, maxRounds];
  return createHash("sha256")
    .update(JSON.stringify([keyVersion, relativePath, hashes.input, hashes.model, hashes.mask, chain]))
    .digest("hex");
}
