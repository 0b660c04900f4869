/** What a restored picture's pixels depend on: the content of its input, its path in the dataset, and the settings named here. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { RestoreSettings } from "../../shared/config/restore-settings.js";

/** Raised when the same settings give other pixels than in earlier versions. */
const keyVersion = 1;

/** What a file holds. */
export interface FileContent {
  /** Hex. */
  readonly sha256: string;
  readonly bytes: number;
}

/** Reads a file through. Rejects with the file system's error if it cannot be read. */
export async function contentOf(path: string): Promise<FileContent> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return { sha256: hash.digest("hex"), bytes };
}

/** SHA-256, hex, of the files that all pictures of a run are made with. */
export interface SourceHashes {
  readonly model: string;
  /** null where the task has no mask. */
  readonly mask: string | null;
}

/**
 * The key of a run's settings, hex. Plan, workers, threads, batch and window are not part of it: they decide how a picture is
 * computed, not which one (up to `tol`).
 */
export function settingsKey(settings: RestoreSettings, { model, mask }: SourceHashes): string {
  const { task, simulate, steps, start, spacing, etw, nw, seed, method, tol, maxRounds } = settings;
  const chain = [task, simulate, steps, start, spacing, etw, nw, seed, method, tol, maxRounds];
  return createHash("sha256")
    .update(JSON.stringify([keyVersion, model, mask, chain]))
    .digest("hex");
}
