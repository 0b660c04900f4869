/** The public API: jobs, as proto/deqfleet/v1/jobs.proto has them. */
import { createHash } from "node:crypto";
import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from "@grpc/grpc-js";
import { DeqfleetError, InputError, RetryableError } from "../../shared/errors.js";
import { type JobRecord, maskKey } from "../../shared/jobs/job.js";
import type { OutcomeStatus } from "../../shared/jobs/work-item.js";
import { decodeMask } from "../../shared/pictures/mask.js";
import type { JobRequest__Output } from "../../shared/wire/generated/deqfleet/v1/JobRequest.js";
import type { JobStatus as JobStatusMessage } from "../../shared/wire/generated/deqfleet/v1/JobStatus.js";
import type { JobsHandlers } from "../../shared/wire/generated/deqfleet/v1/Jobs.js";
import type { ResultsChunk } from "../../shared/wire/generated/deqfleet/v1/ResultsChunk.js";
import type { SubmitReply } from "../../shared/wire/generated/deqfleet/v1/SubmitReply.js";
import type { SubmitRequest__Output } from "../../shared/wire/generated/deqfleet/v1/SubmitRequest.js";
import type { GrpcServer } from "../../shared/wire/grpc-server.js";
import { protocol } from "../../shared/wire/protocol.js";
import type { JobEngine } from "../jobs/job-engine.js";
import type { UnreadableJob } from "../jobs/job-log.js";
import { checkedJobName } from "../jobs/job-name.js";
import {
  cancelled,
  checkSame,
  type JobDraft,
  jobSpecOf,
  NoWorkerError,
  newJob,
  resumed,
  retried,
} from "../jobs/job-requests.js";
import { describeJob } from "../jobs/job-status.js";
import { openJobStores } from "../jobs/job-stores.js";
import { manifestJsonLines } from "../jobs/manifest.js";
import { standingOutcomes } from "../jobs/standing-outcomes.js";
import { checkDataset } from "../jobs/submission.js";
import { decodeSpec, encodeStatus, encodeUnreadable, encodeUntold } from "./job-messages.js";
import { serviceError } from "./service-error.js";
import { watchJob } from "./watch-job.js";

/** Serves the jobs of an engine. */
export class JobsService {
  readonly #engine: JobEngine;
  /** Aborts when the coordinator stops: streams end. */
  readonly #stopping: AbortSignal;

  constructor(engine: JobEngine, stopping: AbortSignal) {
    this.#engine = engine;
    this.#stopping = stopping;
  }

  /** Adds the service to a server. */
  serveOn(server: GrpcServer): void {
    const unary =
      <Request, Reply>(work: (request: Request) => Promise<Reply>) =>
      (call: ServerUnaryCall<Request, Reply>, reply: sendUnaryData<Reply>): void => {
        void work(call.request).then(
          (answer) => reply(null, answer),
          (error) => reply(serviceError(error)),
        );
      };
    const handlers: JobsHandlers = {
      Submit: unary((request) => this.#submit(request)),
      Get: unary(({ name }) => this.#status(name)),
      List: unary(async () => ({ jobs: await this.#list() })),
      Cancel: unary(({ name }) => this.#change(name, (job) => cancelled(job, this.#engine.now()))),
      Retry: unary(({ name, failed, dead }) => this.#retry(name, failed, dead)),
      Delete: unary(async ({ name }) => {
        await this.#engine.delete(checkedJobName(name));
        return {};
      }),
      Watch: (call) =>
        void this.#stream(call, (signal) =>
          watchJob(this.#engine, call.request, () => this.#status(call.request.name), signal),
        ),
      Results: (call) => void this.#stream(call, (signal) => this.#results(call.request, signal)),
    };
    server.add(protocol.Jobs.service, { ...handlers });
  }

  /** What is wrong with one job keeps none of the others from being shown. */
  async #list(): Promise<JobStatusMessage[]> {
    const unreadable: UnreadableJob[] = [];
    const jobs = await this.#engine.log.list((job) => unreadable.push(job));
    jobs.sort((a, b) => a.createdAt.localeCompare(b.createdAt));
    const described = jobs.map((job) =>
      this.#describe(job).catch((error: unknown) => {
        if (error instanceof RetryableError) throw error;
        return encodeUntold(job, DeqfleetError.messageOf(error));
      }),
    );
    return [...(await Promise.all(described)), ...unreadable.map(encodeUnreadable)];
  }

  async #describe(job: JobRecord): Promise<JobStatusMessage> {
    const { pool, now } = this.#engine;
    const { name } = job.spec;
    // The log of a job at its end may be long, and says no more than the record.
    const tally = job.counts === null ? await this.#engine.tally(job) : null;
    const running = this.#engine.running(name);
    const trouble = this.#engine.runner(name)?.trouble ?? null;
    return encodeStatus(describeJob(job, { tally, running, trouble }, pool, now()));
  }

  async #status(name: string): Promise<JobStatusMessage> {
    return this.#describe(await this.#engine.job(checkedJobName(name)));
  }

  async #change(name: string, change: (job: JobRecord) => JobRecord | undefined): Promise<JobStatusMessage> {
    return this.#describe(await this.#engine.update(checkedJobName(name), change));
  }

  async #retry(name: string, failed: boolean, dead: boolean): Promise<JobStatusMessage> {
    const statuses: OutcomeStatus[] = [
      ...(failed ? ["failed" as const] : []),
      ...(dead ? ["dead" as const] : []),
    ];
    if (statuses.length === 0)
      throw new InputError("retry what? Items that failed, items that were given up, or both");
    const { byStatus } = await this.#engine.tally(await this.#engine.job(checkedJobName(name)));
    if (statuses.every((status) => byStatus[status] === 0)) {
      const others = byStatus.failed > 0 ? `; ${byStatus.failed} failed: ask for those, too (--failed)` : "";
      throw new InputError(`there is nothing to retry in job ${name}${others}`);
    }
    return this.#change(name, (job) => retried(job, statuses, this.#engine.now()));
  }

  /** The model of all workers. @throws InputError if there is none, or more than one */
  #onlyModel(): string {
    const models = new Set(this.#engine.pool.members().map(({ network }) => network.hash));
    const [model] = models;
    if (model !== undefined && models.size === 1) return model;
    if (models.size === 0) throw new NoWorkerError();
    throw new InputError(`the workers have ${models.size} models: name one by its file (--model FILE)`);
  }

  async #submit({ spec: message, maskFile }: SubmitRequest__Output): Promise<SubmitReply> {
    const { log, now } = this.#engine;
    const requested = decodeSpec(message);
    const needsMask = requested.restoration.task.task === "inpaint";
    if (needsMask !== maskFile.length > 0) {
      throw new InputError(
        needsMask ? "task inpaint needs a mask: give --mask FILE" : "only task inpaint has a mask",
      );
    }
    if (needsMask) await decodeMask(maskFile, "--mask");
    const mask = needsMask ? createHash("sha256").update(maskFile).digest("hex") : null;
    const draft: JobDraft = { ...requested, mask, model: requested.model ?? this.#onlyModel() };
    const spec = jobSpecOf(draft);
    const known = await log.get(spec.name);
    if (known) checkSame(known.spec, spec);
    // Stores that cannot be are refused now, while somebody listens.
    const stores = await openJobStores(spec);
    try {
      if (!known) await checkDataset(stores, spec);
      if (needsMask) await stores.output.write(maskKey(spec.name), maskFile);
    } finally {
      await stores.close();
    }
    const { created, job } = await log.create(newJob(spec, now()));
    checkSame(job.spec, spec);
    if (created) this.#engine.follow(job);
    const present = created ? job : await this.#engine.update(spec.name, (before) => resumed(before, now()));
    return { created, status: await this.#describe(present) };
  }

  async *#results({ name }: JobRequest__Output, signal: AbortSignal): AsyncGenerator<ResultsChunk> {
    const { log } = this.#engine;
    await this.#engine.job(checkedJobName(name));
    for await (const jsonLines of manifestJsonLines(standingOutcomes(log, name, signal))) yield { jsonLines };
  }

  /** Sends what is made, as fast as it is taken. */
  async #stream<Request, Message>(
    call: ServerWritableStream<Request, Message>,
    make: (signal: AbortSignal) => AsyncIterable<Message>,
  ): Promise<void> {
    const gone = new AbortController();
    call.on("cancelled", () => gone.abort(new RetryableError("nobody listens any more")));
    // A broken call is told to whoever writes to it.
    call.on("error", () => {});
    const signal = AbortSignal.any([gone.signal, this.#stopping]);
    try {
      for await (const message of make(signal)) {
        if (!call.write(message)) await drained(call, signal);
      }
      call.end();
    } catch (error) {
      if (!gone.signal.aborted) call.emit("error", serviceError(signal.aborted ? signal.reason : error));
    }
  }
}

/** Waits until a stream takes more. @throws the signal's reason when it aborts */
function drained(call: ServerWritableStream<unknown, unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    call.once("drain", () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
  });
}
