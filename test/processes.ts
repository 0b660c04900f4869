/** Watching processes that are not one's own children. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** State letter and parent of a process, from Linux's /proc; undefined where there is none. */
function statusOf(pid: number | string): { state: string; parent: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold anything.
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}

/** Whether a process runs. One that died and waits to be noticed by its parent (or by init) does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return statusOf(pid)?.state !== "Z";
}

/** Children of a process. Linux only; elsewhere none. */
export function childrenOf(pid: number): number[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && statusOf(name)?.parent === pid)
    .map(Number);
}

/** Waits until `holds`; false if it did not within the time. */
export async function becomesTrue(
  milliseconds: number,
  holds: () => boolean | Promise<boolean>,
): Promise<boolean> {
  const deadline = performance.now() + milliseconds;
  while (performance.now() < deadline) {
    if (await holds()) return true;
    await delay(20);
  }
  return holds();
}
