/** Following one job: a message when something has changed, and now and then one that says that nothing has. */
import { setTimeout as delay } from "node:timers/promises";
import type { JobStatus } from "../../shared/wire/generated/deqfleet/v1/JobStatus.js";
import type { WatchRequest__Output } from "../../shared/wire/generated/deqfleet/v1/WatchRequest.js";
import type { JobEngine } from "../jobs/job-engine.js";

const defaultIntervalMilliseconds = 1000;
const shortestIntervalMilliseconds = 50;
const defaultHeartbeatMilliseconds = 10_000;

/**
 * The job now, then whenever it has changed, until it is at its end.
 * @param status describes it
 * @throws what `status` throws, and the signal's reason
 */
export async function* watchJob(
  engine: Pick<JobEngine, "pool" | "runner">,
  { name, intervalMilliseconds, heartbeatMilliseconds }: WatchRequest__Output,
  status: () => Promise<JobStatus>,
  signal: AbortSignal,
): AsyncGenerator<JobStatus> {
  const interval = Math.max(
    shortestIntervalMilliseconds,
    intervalMilliseconds || defaultIntervalMilliseconds,
  );
  const heartbeat = Math.max(interval, heartbeatMilliseconds || defaultHeartbeatMilliseconds);
  let changed = true;
  let wake: () => void = () => {};
  const onChange = () => {
    changed = true;
    wake();
  };
  const subscriptions = [engine.pool.onChange(onChange)];
  let runner: ReturnType<typeof engine.runner>;
  let sent: string | undefined;
  try {
    for (;;) {
      const present = engine.runner(name);
      if (present !== runner) {
        runner = present;
        if (runner) subscriptions.push(runner.onChange(onChange));
      }
      // A job of another coordinator that this one has not heard of yet is asked for again.
      const due = !changed;
      changed = runner === undefined;
      const message = await status();
      const text = JSON.stringify(message);
      if (due || text !== sent) {
        yield message;
        sent = text;
      }
      if (message.finishedAt !== "") return;
      await delay(interval, undefined, { signal });
      if (changed) continue;
      const woken = new AbortController();
      wake = () => woken.abort();
      const either = AbortSignal.any([signal, woken.signal]);
      await delay(heartbeat - interval, undefined, { signal: either }).catch(() => {});
      signal.throwIfAborted();
    }
  } finally {
    for (const unsubscribe of subscriptions) unsubscribe();
  }
}
