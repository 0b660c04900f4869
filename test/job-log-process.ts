/** A job log in a process of its own, to be stopped and killed. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { EmbeddedLog, type EmbeddedLogOptions } from "../coordinator/jobs/embedded-log/embedded-log.js";
import type { DeadLetter, JobLog } from "../coordinator/jobs/job-log.js";
import { NatsLog, type NatsLogOptions } from "../coordinator/jobs/nats-log/nats-log.js";
import type { NatsSettings } from "../shared/config/nats-settings.js";
import type { JobRecord } from "../shared/jobs/job.js";
import type { ItemOutcome, WorkItem } from "../shared/jobs/work-item.js";

/** Which log, and where. */
export type LogPlace =
  | { readonly kind: "embedded"; readonly place: string }
  | { readonly kind: "nats"; readonly place: NatsSettings };

/** Each log takes those it knows. */
export type LogOptions = EmbeddedLogOptions & NatsLogOptions;

/** Opens a log; it is closed when the test is over. */
export async function openLog(where: LogPlace, options: LogOptions = {}): Promise<JobLog> {
  const log =
    where.kind === "embedded"
      ? await EmbeddedLog.open(where.place, options)
      : await NatsLog.open(where.place, options);
  onTestFinished(() => log.close());
  return log;
}

interface Message {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly recorded?: number;
  readonly lost?: string;
}

export class LogProcess {
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  /** Numbers of the outcomes it said to be durable: see {@link recordOn}. */
  readonly recorded: number[] = [];
  /** Names whose hold it lost. */
  readonly lost: string[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", ({ id, result, error, recorded, lost }: Message) => {
      if (recorded !== undefined) this.recorded.push(recorded);
      if (lost !== undefined) this.lost.push(lost);
      const answer = id === undefined ? undefined : this.#answers.get(id);
      if (error === undefined) answer?.resolve(result);
      else answer?.reject(new Error(error));
    });
  }

  /** Starts the process, which opens the log; it is killed when the test is over. */
  static async start(place: LogPlace, options: LogOptions = {}): Promise<LogProcess> {
    const script = fileURLToPath(new URL("job-log-child.js", import.meta.url));
    const child = fork(script, [JSON.stringify({ ...place, options })], { execArgv: [] });
    const started = new LogProcess(child);
    onTestFinished(() => started.kill());
    await Promise.race([
      once(child, "message"),
      once(child, "exit").then(() => Promise.reject(new Error("the log's process ended"))),
    ]);
    return started;
  }

  #call<Result>(call: string, ...args: unknown[]): Promise<Result> {
    const id = this.#answers.size;
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve: (result) => resolve(result as Result), reject });
      this.#child.send({ id, call, args });
    });
  }

  create = (job: JobRecord) => this.#call<{ created: boolean }>("create", job);
  update = (name: string, patch: Partial<JobRecord>) => this.#call<JobRecord>("update", name, patch);
  /** Adds one to the job's `listed`. */
  increment = (name: string) => this.#call<JobRecord>("increment", name);
  publish = (name: string, items: readonly WorkItem[]) => this.#call<void>("publish", name, items);
  take = (name: string, max: number, waitMilliseconds: number) =>
    this.#call<{ item: WorkItem; delivery: number; handle: number }[]>("take", name, max, waitMilliseconds);
  settle = (handle: number) => this.#call<void>("settle", handle);
  record = (name: string, outcome: ItemOutcome) => this.#call<void>("record", name, outcome);
  bury = (name: string, letter: DeadLetter) => this.#call<void>("bury", name, letter);
  exhume = (name: string, indices: readonly number[]) => this.#call<void>("exhume", name, indices);
  purge = (name: string) => this.#call<void>("purge", name);
  hold = (name: string) => this.#call<boolean>("hold", name);

  /** Has it record outcomes until it ends. */
  recordOn(name: string, from: number, outcome: ItemOutcome): void {
    this.#child.send({ id: -1, call: "recordOn", args: [name, from, outcome] });
  }

  /** SIGSTOP: it does nothing until it goes on. */
  stop(): void {
    this.#child.kill("SIGSTOP");
  }

  goOn(): void {
    this.#child.kill("SIGCONT");
  }

  /** SIGKILL. Resolves once it is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }
}
