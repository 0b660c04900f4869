/** Making names in a folder durable: files made, renamed or removed in it. */
import { closeSync, fsync, openSync } from "node:fs";
import { open } from "node:fs/promises";
import { promisify } from "node:util";

/** Some file systems (network mounts, Windows) cannot sync a folder; a rename itself is still atomic there. */
const unsupported = new Set(["EINVAL", "ENOTSUP", "EPERM", "EISDIR", "EACCES"]);

const codeOf = (thrown: unknown): string =>
  thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";

const syncFile = promisify(fsync);

/** How a folder is synced. */
export interface SyncOptions {
  /**
   * Whether the caller has its thread to itself. Everything but the wait for the disk is then done at once: each call that Node's
   * threads do instead costs more than the call itself.
   */
  readonly ownThread?: boolean | undefined;
}

/** Syncs under way, and those that begin behind them. */
const running = new Map<string, Promise<void>>();
const waiting = new Map<string, Promise<void>>();

/**
 * Makes all names durable that were there when it was called. Those who ask while a sync is under way share the next one: each has
 * made its change by then, and one sync serves them all.
 *
 * Rejects with the file system's error if the disk fails or there is no such folder.
 */
export function syncFolder(folder: string, options: SyncOptions = {}): Promise<void> {
  const present = running.get(folder);
  if (!present) return begin(folder, options);
  let next = waiting.get(folder);
  if (!next) {
    const start = () => {
      waiting.delete(folder);
      return begin(folder, options);
    };
    // How the one before ended is the business of those who asked for it.
    next = present.then(start, start);
    waiting.set(folder, next);
  }
  return next;
}

function begin(folder: string, { ownThread }: SyncOptions): Promise<void> {
  const sync = (ownThread ? syncHere(folder) : syncByThreads(folder)).finally(() => {
    if (running.get(folder) === sync) running.delete(folder);
  });
  running.set(folder, sync);
  return sync;
}

async function syncByThreads(folder: string): Promise<void> {
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

async function syncHere(folder: string): Promise<void> {
  try {
    const file = openSync(folder, "r");
    try {
      await syncFile(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (!unsupported.has(codeOf(error))) throw error;
  }
}
