/**
 * Items of a job on the workers of a pool: each whole on one worker, which reads and writes the stores itself, or its chain cut
 * over all workers, where the coordinator does.
 */
import { DeqfleetError, PictureError, RetryableError, ReturnedError } from "../../shared/errors.js";
import { type JobRecord, maskKey } from "../../shared/jobs/job.js";
import type { WorkItem } from "../../shared/jobs/work-item.js";
import type { PictureSize } from "../../shared/operators/task.js";
import { outputName } from "../../shared/pictures/encode.js";
import { decodeMask } from "../../shared/pictures/mask.js";
import { CanvasOperators } from "../../shared/restore/canvas.js";
import { type LocatedFiles, largestFile } from "../../shared/restore/located-files.js";
import type { StoredMask } from "../../shared/restore/whole-picture.js";
import { StoreUnavailableError } from "../../shared/storage/object-store.js";
import { withSpan } from "../../shared/telemetry/tracing.js";
import type { WorkerPool } from "../fleet/worker-pool.js";
import { choosePlan } from "../planner/choose-plan.js";
import { measurementFolder, measurementName } from "../restore/picture-places.js";
import { type CutPlace, CutRestoration } from "../restore/restore-cut.js";
import type { PrefixScan } from "../solver/prefix-scan.js";
import { restoreOnWorker } from "../wire/restore-on-worker.js";
import type { JobRestoration, RestoreItem } from "./run-item.js";

/** What all jobs share. */
export interface ItemRestorationParts {
  readonly pool: WorkerPool;
  /** Opens the stores of cut chains. */
  readonly files: LocatedFiles;
  readonly scan: PrefixScan;
}

/**
 * What failed on workers of which one was told to stop: it gives back what it does not finish; however it went, that is no fault
 * of the picture.
 */
function returned(error: unknown): unknown {
  const lost = error instanceof RetryableError && !(error instanceof StoreUnavailableError);
  return lost ? new ReturnedError(DeqfleetError.messageOf(error), { cause: error }) : error;
}

/** Restores the items of one job. */
class StoredItems implements JobRestoration {
  readonly #job: JobRecord;
  readonly #parts: ItemRestorationParts;
  readonly #pending: () => number;
  readonly #mask: StoredMask | undefined;
  /** The canvas of the picture restored last: those of a dataset mostly share a few sizes. */
  #size: PictureSize | undefined;
  #operators: Promise<CanvasOperators> | undefined;

  constructor(job: JobRecord, parts: ItemRestorationParts, pending: () => number) {
    const { mask, name, output } = job.spec;
    this.#job = job;
    this.#parts = parts;
    this.#pending = pending;
    if (mask !== null) this.#mask = { location: { store: output, key: maskKey(name) }, sha256: mask };
  }

  cut(): boolean {
    const { goal, restoration, model } = this.#job.spec;
    const { plan, steps, method, maxRounds, window } = restoration;
    const members = this.#parts.pool.members();
    const workers = members.filter(({ network, state }) => network.hash === model && state === "serving");
    if (plan === "serial") return false;
    if (plan === "time-parallel") return true;
    // Whole chains side by side finish a dataset soonest; cutting is for those who wait for each picture.
    if (goal === "throughput" || workers.length < 2) return false;
    const question = {
      ...{ requested: plan, goal, steps, method, maxRounds, window, batch: 1, unit: "evaluations" as const },
      pictures: Math.max(1, this.#pending()),
      // Times are counted in evaluations: how workers compare is for the borders to find out.
      workers: workers.map(() => (states: number) => states),
      wire: { perRound: 0, perTensor: 0 },
      unit: "evaluations",
    } as const;
    return choosePlan(question).chosen === "time-parallel";
  }

  readonly restore: RestoreItem = (item, how) => {
    const attributes = { "deqfleet.job": this.#job.spec.name, "deqfleet.picture": item.key };
    return withSpan("restore item", attributes, () =>
      this.cut() ? this.#restoreCut(item, how) : this.#restoreWhole(item, how),
    );
  };

  async #restoreWhole(
    item: WorkItem,
    { alone, signal, onBegin }: Parameters<RestoreItem>[1],
  ): ReturnType<RestoreItem> {
    const { restoration, model } = this.#job.spec;
    const lease = await withSpan("wait for a worker", {}, () =>
      this.#parts.pool.acquire({ model, size: this.#size, alone, signal }),
    );
    try {
      onBegin(lease.worker);
      const place = this.#placeOf(item);
      const picture = { ...place, restoration, mask: this.#mask, job: this.#job.spec.name };
      const restored = await restoreOnWorker(lease.channel, picture, AbortSignal.any([signal, lease.lost]));
      const { sha256, evaluations, canvas, seconds: _, ...judgement } = restored;
      this.#size = canvas;
      return {
        output: place.output.key,
        sha256,
        worker: lease.worker,
        plan: "serial",
        rounds: null,
        residual: null,
        evaluations,
        ...judgement,
      };
    } catch (error) {
      throw lease.draining() && !signal.aborted ? returned(error) : error;
    } finally {
      lease.release();
    }
  }

  async #restoreCut(
    item: WorkItem,
    { signal, onBegin, onRound }: Parameters<RestoreItem>[1],
  ): ReturnType<RestoreItem> {
    const { restoration, model } = this.#job.spec;
    const { pool, files, scan } = this.#parts;
    const group = await withSpan("wait for workers", {}, () =>
      pool.acquireGroup({ model, slices: restoration.steps, signal }),
    );
    let draining = false;
    /** The group forgets a worker that was told to stop as soon as another has its slice. */
    const noteDraining = () => {
      const names = group.workers();
      draining ||= pool.members().some(({ name, state }) => state === "draining" && names.includes(name));
    };
    const forgetPool = pool.onChange(noteDraining);
    try {
      const workers = () => group.workers().join(" ");
      const place = this.#placeOf(item);
      const operators = await this.#operatorsFor(signal);
      const cut = new CutRestoration(place, { settings: restoration, operators, scan, files, signal });
      const { host } = group;
      const turn = { width: host.width, open: host.open.bind(host), end: () => {} };
      const restored = await cut.restore(
        { take: async () => turn },
        () => onBegin(workers()),
        ({ round, largestRatio }) => onRound(round, largestRatio),
      );
      const { outputHash: sha256, judgement, rounds, evaluations, residuals } = restored;
      return {
        output: place.output.key,
        sha256,
        worker: workers(),
        plan: "time-parallel",
        rounds,
        evaluations,
        residual: residuals.at(-1) ?? null,
        ...judgement,
      };
    } catch (error) {
      noteDraining();
      throw draining && !signal.aborted ? returned(error) : error;
    } finally {
      forgetPool();
      group.release();
    }
  }

  #placeOf({ key }: WorkItem): CutPlace {
    const { input, output, restoration } = this.#job.spec;
    if (restoration.simulate && key.startsWith(`${measurementFolder}/`)) {
      throw new PictureError(
        `${key} would be restored to where simulated measurements go; rename the folder ${measurementFolder}`,
      );
    }
    const measured = `${measurementFolder}/${measurementName(key, restoration.task.task)}`;
    return {
      pictureId: key,
      input: { store: input, key },
      output: { store: output, key: outputName(key) },
      measurement: restoration.simulate ? { store: output, key: measured } : undefined,
    };
  }

  /** Operators for cut chains, whose coordinator applies them. */
  #operatorsFor(signal: AbortSignal): Promise<CanvasOperators> {
    this.#operators ??= this.#loadOperators(signal).catch((error: unknown) => {
      this.#operators = undefined;
      throw error;
    });
    return this.#operators;
  }

  async #loadOperators(signal: AbortSignal): Promise<CanvasOperators> {
    const { restoration, model } = this.#job.spec;
    const member = this.#parts.pool.members().find(({ network }) => network.hash === model);
    if (!member) throw new RetryableError(`no worker has model ${model.slice(0, 12)} any more`);
    const mask = this.#mask;
    const bytes = mask && (await this.#parts.files.read(mask.location, largestFile(restoration), signal));
    const decoded = bytes && (await decodeMask(bytes, mask.location.key));
    return new CanvasOperators(restoration.task, member.network, decoded);
  }
}

/** Restores items over the workers of a pool: see {@link JobRestoration}. */
export const itemRestoration =
  (parts: ItemRestorationParts) =>
  (job: JobRecord, _stores: unknown, pending: () => number): JobRestoration =>
    new StoredItems(job, parts, pending);
