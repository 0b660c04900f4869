/**
 * A restoration that copies: it sits on a worker of a pool, reads the input and writes it to the output store under the same
 * key. Pictures named for it fail as their names say.
 */

import type { WorkerPool } from "../coordinator/fleet/worker-pool.js";
import type { JobStores } from "../coordinator/jobs/job-stores.js";
import type { JobRestoration } from "../coordinator/jobs/run-item.js";
import { PictureError, RetryableError } from "../shared/errors.js";
import type { JobRecord } from "../shared/jobs/job.js";

/** How copies are made. */
export interface Copying {
  readonly pool: WorkerPool;
  /** Called for every picture that was begun, before it is read; may wait, may throw. */
  readonly onBegin?: (key: string, job: string) => Promise<void> | void;
}

const aborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason));
  });

/** `broken*` are PictureErrors, `poison*` RetryableErrors, everything else is copied. */
export function copyingRestoration({ pool, onBegin = () => {} }: Copying) {
  return (job: JobRecord, { input, output }: JobStores): JobRestoration => ({
    cut: () => false,
    restore: async ({ key }, { alone, signal, onBegin: begin }) => {
      const lease = await pool.acquire({ model: job.spec.model, alone, signal });
      try {
        begin(lease.worker);
        await Promise.race([onBegin(key, job.spec.name), aborted(signal)]);
        const name = key.split("/").at(-1)!;
        if (name.startsWith("broken")) throw new PictureError(`${key}: no picture`);
        if (name.startsWith("poison")) throw new RetryableError(`${key}: the worker died`);
        const bytes = await input.read(key, { maxBytes: 1 << 20 });
        const sha256 = await output.write(key, bytes);
        return {
          output: key,
          sha256,
          worker: lease.worker,
          plan: "serial",
          rounds: null,
          evaluations: 4,
          residual: null,
          consistency: 0,
          psnr: null,
          ssim: null,
        };
      } finally {
        lease.release();
      }
    },
  });
}
