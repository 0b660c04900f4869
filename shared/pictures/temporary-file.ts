/**
 * Temporary files beside what is being written. Their names say who writes them, so that those of writers that were killed can be
 * told from those of writers at work, and swept.
 *
 *     .deqfleet-HOST-PID-RANDOM.tmp
 *
 * HOST stands for the machine as long as it runs and, on Linux, the process namespace: process numbers mean something only there.
 */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { lstat, opendir, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { isAlive } from "../process-alive.js";

/** A file that has not been written to for so long is nobody's: longer than any write, and than any two clocks are apart. */
const abandonedAfterMilliseconds = 24 * 3600 * 1000;

const candidate = /^\.deqfleet-.*\.tmp$/;
const named = /^\.deqfleet-([0-9a-f]{8})-(\d+)-[0-9a-f]{12}\.tmp$/;

/** Empty where there is none. */
function orEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}

let hostTag: string | undefined;

function host(): string {
  hostTag ??= createHash("sha256")
    .update(hostname())
    .update(orEmpty(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8")))
    .update(orEmpty(() => readlinkSync("/proc/self/ns/pid")))
    .digest("hex")
    .slice(0, 8);
  return hostTag;
}

/** A new name of this process; discovery and listings pass over it. */
export const temporaryName = (): string =>
  `.deqfleet-${host()}-${process.pid}-${randomBytes(6).toString("hex")}.tmp`;

async function isAbandoned(folder: string, name: string, now: number): Promise<boolean> {
  const [, of, pid] = named.exec(name) ?? [];
  if (of === host() && !isAlive(Number(pid))) return true;
  const found = await lstat(join(folder, name)).catch(() => undefined);
  return found?.isFile() === true && now - found.mtimeMs > abandonedAfterMilliseconds;
}

/**
 * Removes what killed writers left in a folder and those below it, links not followed: temporary files whose writer ran here and runs
 * no more, and any that is older than a day. Rejects with the file system's error if the folder cannot be read.
 * @param now milliseconds of the clock that files are dated by
 * @returns how many were removed
 */
export async function sweepTemporaries(
  folder: string,
  { signal, now = Date.now }: { readonly signal?: AbortSignal | undefined; readonly now?: () => number } = {},
): Promise<number> {
  let removed = 0;
  const sweep = async (at: string): Promise<void> => {
    signal?.throwIfAborted();
    const below: string[] = [];
    for await (const entry of await opendir(at, { bufferSize: 1000 })) {
      if (entry.isDirectory()) below.push(entry.name);
      else if (entry.isFile() && candidate.test(entry.name) && (await isAbandoned(at, entry.name, now()))) {
        // Another sweep may have been quicker, and what may not be removed harms nobody.
        await rm(join(at, entry.name)).then(
          () => removed++,
          () => {},
        );
      }
    }
    for (const name of below) {
      // One that is removed meanwhile, or closed to us, holds nothing to sweep.
      await sweep(join(at, name)).catch(() => signal?.throwIfAborted());
    }
  };
  await sweep(folder);
  return removed;
}
