/** Making names in a folder durable: files made, renamed or removed in it. */
import { open } from "node:fs/promises";

/** Some file systems (network mounts, Windows) cannot sync a folder; a rename itself is still atomic there. */
const unsupported = new Set(["EINVAL", "ENOTSUP", "EPERM", "EISDIR", "EACCES"]);

const codeOf = (thrown: unknown): string =>
  thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";

/** Syncs under way, and those that begin behind them. */
const running = new Map<string, Promise<void>>();
const waiting = new Map<string, Promise<void>>();

/**
 * Makes all names durable that were there when it was called. Those who ask while a sync is under way share the next one: each has
 * made its change by then, and one sync serves them all.
 *
 * Rejects with the file system's error if the disk fails or there is no such folder.
 */
export function syncFolder(folder: string): Promise<void> {
  const present = running.get(folder);
  if (!present) return begin(folder);
  let next = waiting.get(folder);
  if (!next) {
    const start = () => {
      waiting.delete(folder);
      return begin(folder);
    };
    // How the one before ended is the business of those who asked for it.
    next = present.then(start, start);
    waiting.set(folder, next);
  }
  return next;
}

function begin(folder: string): Promise<void> {
  const sync = syncNow(folder).finally(() => {
    if (running.get(folder) === sync) running.delete(folder);
  });
  running.set(folder, sync);
  return sync;
}

async function syncNow(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!unsupported.has(codeOf(error))) throw error;
  }
}
