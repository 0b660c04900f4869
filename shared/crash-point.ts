/**
 * Named points at which a process can be made to die as if its machine had lost power. They are compiled in and do nothing
 * unless the environment names one: `DEQFLEET_CRASH_POINT=after-take` dies there the first time, `after-take:3` the third.
 */
import process from "node:process";

/** The points, in the order in which an item passes them. */
export const crashPoints = [
  /** Items were published, and the job does not know yet. */
  "after-items-published",
  /** The job knows of them. */
  "after-cursor",
  /** An item was taken, and nothing was done. */
  "after-take",
  /** Its output is written under a temporary name. */
  "before-rename",
  /** Its output is visible: on the worker that wrote it, then on the coordinator that was told. */
  "after-output-written",
  /** Its outcome is durable. */
  "after-outcome-recorded",
  /** The same for items that turn out to have an outcome, and for those that failed. */
  "before-settle",
] as const;
export type CrashPoint = (typeof crashPoints)[number];

const passed = new Map<string, number>();

/** Kills this process with SIGKILL if the environment asks for it here. */
export function crashPoint(name: CrashPoint): void {
  const [armed, times = "1"] = (process.env.DEQFLEET_CRASH_POINT ?? "").split(":");
  if (armed !== name) return;
  const count = (passed.get(name) ?? 0) + 1;
  passed.set(name, count);
  if (count < Number(times)) return;
  process.kill(process.pid, "SIGKILL");
  // The signal is delivered at once, but not before this call returns: nothing may happen in between.
  for (;;);
}
