/** The two stores of a job. */
import type { JobSpec } from "../../shared/jobs/job.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import { openStore } from "../../shared/storage/open-store.js";

/** Where a job reads and writes. */
export interface JobStores {
  readonly input: ObjectStore;
  readonly output: ObjectStore;
  close(): Promise<void>;
}

/**
 * Opens a job's stores; a folder for outputs is made.
 * @throws InputError if one cannot be a store, StoreUnavailableError if it cannot be reached
 */
export async function openJobStores({
  input,
  output,
}: Pick<JobSpec, "input" | "output">): Promise<JobStores> {
  const from = await openStore(input, { create: false });
  try {
    const to = await openStore(output, { create: true });
    return {
      input: from,
      output: to,
      close: async () => {
        await Promise.all([from.close(), to.close()]);
      },
    };
  } catch (error) {
    await from.close();
    throw error;
  }
}
