/**
 * Workers leased to one cut chain. A slice whose worker is lost, drains or fails goes to another: to a member with nothing to
 * do, who joins the group; else to the member of the group with the fewest slices; else, when none is left, to the first that
 * comes.
 */
import type { Slice, SliceHost, SliceSpec } from "../../shared/chain/slice-host.js";
import { RetryableError } from "../../shared/errors.js";
import type { PictureSize } from "../../shared/operators/task.js";
import type { Member } from "./member.js";
import type { SliceGroup } from "./worker-pool.js";
import type { WorkerSlot, WorkerSlots } from "./worker-slots.js";

/** What a group needs of its pool. */
export interface GroupParts {
  readonly slots: WorkerSlots<Member>;
  /** Hash of the model, for messages. */
  readonly model: string;
  readonly open: (spec: SliceSpec, member: Member, signal: AbortSignal) => Promise<Slice>;
  /** How long a slice waits for a worker, when none is left. */
  readonly waitMilliseconds: number;
  readonly onChange: () => void;
}

/** A worker of the group. */
interface Seat {
  readonly slot: WorkerSlot<Member>;
  /** A slice could not be opened here: the worker may be dying, which is noticed only later. */
  failed: boolean;
}

const usable = ({ slot, failed }: Seat): boolean => !failed && slot.worker.serves;

export class LeasedGroup implements SliceGroup, SliceHost {
  readonly width: number;
  readonly host: SliceHost = this;
  readonly #parts: GroupParts;
  /** Who has slice number `index`; several may share a seat. */
  readonly #seats: Seat[];
  /** The wait for a worker that all slices share which have none. */
  #waiting: Promise<Seat> | undefined;
  /** Why the group is at its end: none came in time. */
  #exhausted: RetryableError | undefined;
  #released = false;

  constructor(slots: readonly WorkerSlot<Member>[], parts: GroupParts) {
    this.width = slots.length;
    this.#parts = parts;
    this.#seats = slots.map((slot) => ({ slot, failed: false }));
  }

  workers(): readonly string[] {
    return [...new Set(this.#seats.map(({ slot }) => slot.worker.name))];
  }

  pace(worker: number, canvas: PictureSize): number | undefined {
    return this.#seats[worker].slot.worker.secondsPerState(canvas);
  }

  async open(spec: SliceSpec, index: number, signal: AbortSignal): Promise<Slice> {
    const seat = await this.#seatOf(index % this.width, signal);
    try {
      return await this.#parts.open(spec, seat.slot.worker, signal);
    } catch (error) {
      if (error instanceof RetryableError) seat.failed = true;
      throw error;
    }
  }

  readonly release = (): void => {
    if (this.#released) return;
    this.#released = true;
    for (const { slot } of new Set(this.#seats)) slot.release();
    this.#parts.onChange();
  };

  async #seatOf(index: number, signal: AbortSignal): Promise<Seat> {
    const seat = this.#seats[index];
    if (usable(seat)) return seat;
    const idle = this.#parts.slots.replace();
    let next = idle ? { slot: idle, failed: false } : this.#leastLoaded();
    if (!next) {
      // The last one of the group: it may be the first that comes, if it is not lost.
      seat.slot.release();
      next = await this.#awaited(signal);
    }
    this.#exhausted = undefined;
    this.#seats[index] = next;
    // Free for others as soon as no slice of this chain is there.
    if (!this.#seats.includes(seat)) seat.slot.release();
    this.#parts.onChange();
    return next;
  }

  #leastLoaded(): Seat | undefined {
    const slicesOf = (seat: Seat) => this.#seats.filter((other) => other === seat).length;
    return this.#seats.filter(usable).sort((a, b) => slicesOf(a) - slicesOf(b))[0];
  }

  /** The first worker that comes. Who asks once none came in time learns so at once: retries do not wait again. */
  async #awaited(signal: AbortSignal): Promise<Seat> {
    if (this.#exhausted) throw this.#exhausted;
    this.#waiting ??= this.#wait(signal).finally(() => {
      this.#waiting = undefined;
    });
    return this.#waiting;
  }

  async #wait(signal: AbortSignal): Promise<Seat> {
    const { slots, model, waitMilliseconds } = this.#parts;
    const limit = AbortSignal.timeout(waitMilliseconds);
    try {
      const [slot] = await slots.acquireGroup(1, AbortSignal.any([signal, limit]));
      if (!this.#released) return { slot, failed: false };
      slot.release();
      throw new RetryableError("the workers of this chain were released");
    } catch (error) {
      if (!limit.aborted || signal.aborted) throw error;
      this.#exhausted = new RetryableError(
        `no worker with model ${model.slice(0, 12)} was free within ${waitMilliseconds / 1000} s`,
      );
      throw this.#exhausted;
    }
  }
}
