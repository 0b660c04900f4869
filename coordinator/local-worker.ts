/**
 * One local worker process and its successors: started, watched, and started again when it dies.
 *
 * States: starting -> ready -> (died -> waiting -> starting ...) -> stopped. A worker that cannot use its model is not
 * started again: it would fail the same way.
 */
import { type ChildProcess, fork } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { BatchLimits } from "../shared/chain/batch-limits.js";
import { DeqfleetError, type ErrorKind, FatalError, InputError } from "../shared/errors.js";
import type { Device } from "../shared/onnx/session.js";
import { packageRoot } from "../shared/package-root.js";
import { v8Flags } from "../shared/v8-flags.js";
import { WorkerChannel } from "./wire/worker-channel.js";
import { workerEnvironment } from "./worker-environment.js";

/** How often a worker's health is asked for, and what silence means. */
export interface HealthTimings {
  readonly everyMilliseconds: number;
  readonly deadlineMilliseconds: number;
  /** A worker that is stopped, or whose machine is paged out, is given up after this many missed checks. */
  readonly missedChecksAllowed: number;
}

/** How local workers are started and watched. */
export interface LocalWorkerOptions {
  readonly modelPath: string;
  readonly threads: number;
  /** What its network runs on. */
  readonly device: Device;
  /** Folder of the lanes between coordinator and worker; undefined for none. */
  readonly lanes?: string | undefined;
  /** Limits of the network calls that serial chains share; undefined: the worker's default. */
  readonly batch?: BatchLimits | undefined;
  /** Default: {@link defaultHealthTimings}. */
  readonly health?: HealthTimings | undefined;
  /** Called when the worker dies or comes back. */
  readonly onEvent: (event: LocalWorkerEvent) => void;
  /** Called when the worker will not come back, with the reason. */
  readonly onHopeless?: ((error: DeqfleetError) => void) | undefined;
}

/** What happened to a worker. */
export interface LocalWorkerEvent {
  readonly worker: string;
  readonly kind: "lost" | "ready";
  readonly reason: string;
}

/** Workers always run as built: a process is started from a file. */
const workerEntry = fileURLToPath(new URL("dist/worker/main.js", packageRoot));

const startMilliseconds = 120_000;
/** Patient enough for a machine with more workers than cores. */
export const defaultHealthTimings: HealthTimings = {
  everyMilliseconds: 2_000,
  deadlineMilliseconds: 5_000,
  missedChecksAllowed: 3,
};
const restartsAllowed = 20;
const longestBackoffMilliseconds = 5_000;

interface Announcement {
  readonly type: "listening" | "unusable";
  readonly port?: number;
  readonly kind?: ErrorKind;
  readonly message?: string;
}

/** Supervises one worker slot. */
export class LocalWorker {
  readonly name: string;
  restarts = 0;
  readonly #options: LocalWorkerOptions;
  #process: ChildProcess | undefined;
  #channel: Promise<WorkerChannel>;
  /** The last channel that was ready, for reports. */
  #lastReady: WorkerChannel | undefined;
  #stopped = false;

  constructor(name: string, options: LocalWorkerOptions) {
    this.name = name;
    this.#options = options;
    this.#channel = this.#start();
    this.#channel.catch(() => {});
  }

  /** The channel to the living worker; waits for one that is being started. @throws why there will be none */
  channel(): Promise<WorkerChannel> {
    return this.#channel;
  }

  /** The worker last seen ready. */
  get lastReady(): WorkerChannel | undefined {
    return this.#lastReady;
  }

  /** Stops the process for good. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#lastReady?.close();
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    // There is nothing to save in a worker, and a network run under way would delay a graceful end.
    child.kill("SIGKILL");
    await exited;
  }

  async #start(): Promise<WorkerChannel> {
    const { modelPath, threads, device, lanes, batch } = this.#options;
    const settings = ["--model", modelPath, "--threads", String(threads), "--device", device];
    if (lanes) settings.push("--lane-folder", lanes);
    if (batch)
      settings.push("--batch-pictures", String(batch.pictures), "--batch-pixels", String(batch.pixels));
    const child = fork(workerEntry, settings, {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      // Inspector flags of the parent would make the child listen on the same port.
      execArgv: [...v8Flags],
      env: workerEnvironment(process.env),
    });
    this.#process = child;
    let channel: WorkerChannel;
    try {
      const port = await this.#announcedPort(child);
      channel = await WorkerChannel.connect(`127.0.0.1:${port}`);
    } catch (error) {
      // One that cannot be talked to is replaced, and must not linger beside its successor.
      child.kill("SIGKILL");
      throw error;
    }
    if (child.exitCode !== null || child.signalCode !== null) {
      channel.close();
      throw new FatalError(`${this.name} died at once`);
    }
    this.#lastReady = channel;
    child.once("exit", (code, signal) => {
      channel.close();
      this.#replace(`exited with ${signal ?? `code ${code}`}`);
    });
    void this.#watchHealth(child, channel);
    return channel;
  }

  #announcedPort(child: ChildProcess): Promise<number> {
    let resolve: (port: number) => void = () => {};
    let reject: (error: Error) => void = () => {};
    const promise = new Promise<number>((resolved, rejected) => {
      resolve = resolved;
      reject = rejected;
    });
    const announced = ({ type, port, kind, message = "" }: Announcement) => {
      if (type === "listening" && port !== undefined) resolve(port);
      else reject(kind === "input" ? new InputError(message) : new FatalError(message));
    };
    const failed = (cause: Error) =>
      reject(new FatalError(`${this.name} cannot be started: ${cause.message}`, { cause }));
    const exited = (code: number | null, signal: NodeJS.Signals | null) =>
      reject(new FatalError(`${this.name} ended before it listened (${signal ?? `code ${code}`})`));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new FatalError(`${this.name} did not start within ${startMilliseconds / 1000} s`));
    }, startMilliseconds);
    child.once("message", announced).once("error", failed).once("exit", exited);
    // Only its own listeners: somebody who stops the worker meanwhile waits for the exit as well.
    return promise.finally(() => {
      clearTimeout(timer);
      child.off("message", announced).off("error", failed).off("exit", exited);
    });
  }

  #replace(reason: string): void {
    if (this.#stopped) return;
    this.#options.onEvent({ worker: this.name, kind: "lost", reason });
    this.restarts++;
    if (this.restarts > restartsAllowed) {
      const error = new FatalError(`${this.name} died ${this.restarts} times; last: ${reason}`);
      this.#channel = Promise.reject(error);
      this.#options.onHopeless?.(error);
    } else {
      const backoff = Math.min(longestBackoffMilliseconds, 50 * 2 ** Math.min(this.restarts, 10));
      this.#channel = delay(backoff).then(() => {
        if (this.#stopped) throw new FatalError(`${this.name} was stopped`);
        return this.#start();
      });
      this.#channel.then(
        () => this.#options.onEvent({ worker: this.name, kind: "ready", reason: "started again" }),
        (error: unknown) => {
          if (error instanceof InputError) {
            this.#options.onHopeless?.(error);
            return;
          }
          this.#replace(DeqfleetError.messageOf(error));
        },
      );
    }
    this.#channel.catch(() => {});
  }

  /** Health is answered by a thread that never computes: silence means the process is stopped or wedged. */
  async #watchHealth(child: ChildProcess, channel: WorkerChannel): Promise<void> {
    const { everyMilliseconds, deadlineMilliseconds, missedChecksAllowed } =
      this.#options.health ?? defaultHealthTimings;
    let missed = 0;
    while (!this.#stopped && child.exitCode === null && child.signalCode === null) {
      await delay(everyMilliseconds, undefined, { ref: false });
      try {
        await channel.checkHealth(deadlineMilliseconds);
        missed = 0;
      } catch {
        missed++;
      }
      if (missed >= missedChecksAllowed) {
        child.kill("SIGKILL");
        return;
      }
    }
  }
}
