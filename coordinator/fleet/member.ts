/** One worker of a pool: what it is, what it holds, and whether it is still there. */
import { setMaxListeners } from "node:events";
import type { BatchLimits } from "../../shared/chain/batch-limits.js";
import { RetryableError } from "../../shared/errors.js";
import type { CostPoint } from "../../shared/fleet/cost-point.js";
import type { PictureSize } from "../../shared/operators/task.js";
import type { WorkerChannel } from "../wire/worker-channel.js";
import type { MemberDescription } from "./worker-pool.js";

/** A worker that may be given work. */
export interface NewMember {
  /** Unique in the pool. */
  readonly name: string;
  readonly channel: WorkerChannel;
  readonly batch: BatchLimits;
  readonly costs: readonly CostPoint[];
  readonly joinedAt: Date;
}

export class Member {
  readonly name: string;
  readonly channel: WorkerChannel;
  readonly batch: BatchLimits;
  readonly joinedAt: Date;
  draining = false;
  /** Whole pictures and open slices on it. */
  pictures = 0;
  slices = 0;
  readonly #costs = new Map<string, CostPoint>();
  readonly #lost = new AbortController();

  constructor({ name, channel, batch, costs, joinedAt }: NewMember) {
    this.name = name;
    this.channel = channel;
    this.batch = batch;
    this.joinedAt = joinedAt;
    this.learn(costs);
    // Every lease may listen.
    setMaxListeners(0, this.#lost.signal);
  }

  /** Aborts when the worker is gone. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether it may be given something new. */
  get serves(): boolean {
    return !this.draining && !this.#lost.signal.aborted;
  }

  /** Takes note of what network calls cost it. */
  learn(costs: readonly CostPoint[]): void {
    for (const point of costs) this.#costs.set(`${point.batch} ${point.height}x${point.width}`, point);
  }

  /** Seconds of one state in its largest measured call, of the size nearest to a canvas; undefined: none was measured. */
  secondsPerState({ height, width }: PictureSize): number | undefined {
    const pixels = height * width;
    const unlike = (point: CostPoint) => Math.abs(Math.log((point.height * point.width) / pixels));
    const [best] = [...this.#costs.values()].sort((a, b) => unlike(a) - unlike(b) || b.batch - a.batch);
    return best && (best.seconds * pixels) / (best.batch * best.height * best.width);
  }

  /** It is gone: whatever it holds fails at once. */
  lose(reason: string): void {
    this.channel.abandon(reason);
    this.#lost.abort(new RetryableError(`worker ${this.name} was lost: ${reason}`));
  }

  describe(): MemberDescription {
    const { address, device, threads, pid, version, card } = this.channel;
    return {
      name: this.name,
      state: this.draining ? "draining" : "serving",
      address,
      device,
      threads,
      pid,
      version,
      network: card,
      batch: this.batch,
      costs: [...this.#costs.values()],
      holds: { pictures: this.pictures, slices: this.slices },
      joinedAt: this.joinedAt,
    };
  }
}
