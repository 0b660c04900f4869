/** The main thread's end of the picture thread. */
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { RetryableError } from "../shared/errors.js";
import { packageRoot } from "../shared/package-root.js";
import type { RestoredHere, WholePicture } from "../shared/restore/whole-picture.js";
import type { PictureThreadOptions } from "./pictures/thread-main.js";
import type { PictureRestorer } from "./pictures/whole-pictures.js";
import { PortCalls } from "./port-calls.js";

/** The thread always runs as built: it is started from a file. */
const threadEntry = fileURLToPath(new URL("dist/worker/pictures/thread-main.js", packageRoot));

/** Restores whole pictures in a thread of their own. */
export class PictureThread implements PictureRestorer {
  readonly #thread: Worker;
  readonly #calls: PortCalls<WholePicture, RestoredHere>;
  /** Whether the thread has ended, for whatever reason. */
  ended = false;

  /** @param options.engine is handed over */
  constructor(options: PictureThreadOptions) {
    this.#thread = new Worker(threadEntry, { workerData: options, transferList: [options.engine] });
    this.#calls = new PortCalls(this.#thread);
    this.#thread.on("error", (error) => this.#abandon(error.message));
    this.#thread.on("exit", () => this.#abandon("it exited"));
  }

  restore(picture: WholePicture, signal: AbortSignal): Promise<RestoredHere> {
    return this.#calls.call(picture, signal);
  }

  #abandon(reason: string): void {
    this.ended = true;
    this.#calls.fail(new RetryableError(`the picture thread ended: ${reason}`));
  }

  async close(): Promise<void> {
    await this.#thread.terminate();
  }
}
