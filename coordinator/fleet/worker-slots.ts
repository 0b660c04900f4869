/**
 * Which worker takes the next whole chain, and which ones a cut chain gets. A worker holds as many whole chains as fill one of
 * its network calls, and some more ahead: they take the places of those that end without waiting for the coordinator. The last
 * chains of a run do not wait on one worker while another may soon be idle: of them a worker holds one call's worth only. A
 * cut chain has its workers for itself.
 */
import { type BatchLimits, picturesPerCall } from "../../shared/chain/batch-limits.js";
import type { PictureSize } from "../../shared/operators/task.js";

/**
 * Pictures that a worker restores by itself, beside those of a full network call: one is ready to take the place of the first to
 * end, one is being read, one written.
 */
export const picturesAhead = 3;

/** What is known of the work to come. */
export interface SlotOptions {
  /** Whole chains to come in all; default: there is no end to them. */
  readonly chains?: number;
  /** Whole chains a worker holds beside those that fill one of its network calls, 0 or more; default: {@link picturesAhead}. */
  readonly ahead?: number;
}

/** A place on a worker. */
export interface WorkerSlot<Member> {
  readonly worker: Member;
  /** Gives the place back; more than once does no harm. */
  readonly release: () => void;
}

/** A worker and the parts of a network call that its chains take up. */
interface Place<Member> {
  readonly worker: Member;
  readonly limits: BatchLimits;
  readonly held: number[];
  /** Whether one chain, whole or cut, has it for itself. */
  reserved: boolean;
}

/** Somebody in the line. */
interface Waiting<Member> {
  /** Gives it its places, if they are there. */
  admit(places: readonly Place<Member>[]): boolean;
  reject(error: Error): void;
}

/** One part of a cut chain: it fills a call, whatever its size. */
const wholeCall = 1;

/** Sums of shares are not exact. */
const rounding = 1e-9;

const load = ({ held }: Place<unknown>): number => held.reduce((sum, share) => sum + share, 0);

const isIdle = ({ held }: Place<unknown>): boolean => held.length === 0;

/** The part of one of its network calls that a chain takes up; of unknown size: as small as it may be. */
const shareOf = ({ limits }: Place<unknown>, size: PictureSize | undefined): number =>
  1 / (size ? picturesPerCall(limits, size) : limits.pictures);

/**
 * Places are given out in the order in which they are asked for, on the worker with the least to do. Workers may join and
 * leave at any time.
 */
export class WorkerSlots<Member> {
  readonly #places = new Map<Member, Place<Member>>();
  #waiting: Waiting<Member>[] = [];
  /** Whole chains that have not begun yet. */
  #left: number;
  readonly #ahead: number;
  #failed: Error | undefined;

  constructor({ chains = Number.POSITIVE_INFINITY, ahead = picturesAhead }: SlotOptions = {}) {
    this.#left = chains;
    this.#ahead = ahead;
  }

  /** A worker is there, with nothing to do. */
  join(worker: Member, limits: BatchLimits): void {
    this.#places.set(worker, { worker, limits, held: [], reserved: false });
    this.#admit();
  }

  /** A worker is given nothing more; what it holds no longer counts. */
  leave(worker: Member): void {
    this.#places.delete(worker);
    // A cut chain may have waited for this one to become idle.
    this.#admit();
  }

  /** No worker will ever join: whoever waits, or will wait, gets the reason. */
  fail(error: Error): void {
    this.#failed = error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }

  /**
   * Waits for a place for a whole chain.
   * @param size of the chain's canvas; undefined where it is not known
   * @param alone whether nothing else may run on that worker meanwhile
   * @throws the signal's reason when it aborts, what {@link fail} was told
   */
  acquire(size: PictureSize | undefined, alone: boolean, signal: AbortSignal): Promise<WorkerSlot<Member>> {
    return this.#wait(signal, (places) => {
      const [place] = places
        .filter((place) => this.#takesOne(place, size, alone))
        .sort((a, b) => load(a) - load(b));
      if (!place) return undefined;
      this.#left--;
      return this.#take(place, shareOf(place, size), alone);
    });
  }

  /**
   * Waits for workers with nothing else to do, for one cut chain.
   * @param slices workers wanted, 1 or more; all there are, where there are fewer
   * @returns one slot a worker, 1 or more
   * @throws the signal's reason when it aborts, what {@link fail} was told
   */
  acquireGroup(slices: number, signal: AbortSignal): Promise<readonly WorkerSlot<Member>[]> {
    return this.#wait(signal, (places) => {
      const wanted = Math.min(slices, places.length);
      const idle = places.filter(isIdle).slice(0, wanted);
      if (wanted === 0 || idle.length < wanted) return undefined;
      return idle.map((place) => this.#take(place, wholeCall, true));
    });
  }

  /** A worker with nothing to do, at once and before all who wait: a chain under way has lost one. Undefined: there is none. */
  replace(): WorkerSlot<Member> | undefined {
    const idle = [...this.#places.values()].find(isIdle);
    return idle && this.#take(idle, wholeCall, true);
  }

  /** Whole chains of a size that could begin now. */
  capacity(size?: PictureSize): number {
    // Whoever waits comes first, and could not begin.
    if (this.#waiting.length > 0) return 0;
    let chains = 0;
    for (const place of this.#places.values()) {
      const filled = { ...place, held: [...place.held] };
      for (; this.#takesOne(filled, size, false); chains++) filled.held.push(shareOf(filled, size));
    }
    return chains;
  }

  #takesOne(place: Place<Member>, size: PictureSize | undefined, alone: boolean): boolean {
    if (isIdle(place)) return true;
    if (alone || place.reserved) return false;
    const share = shareOf(place, size);
    // The last ones fill up a call.
    if (this.#left * share <= this.#places.size) return load(place) + share <= 1 + rounding;
    // Beside those that wait their turn, there has to be room in the call.
    const counted = place.held.toSorted((a, b) => b - a).slice(this.#ahead);
    return counted.reduce((sum, one) => sum + one, 0) < 1 - rounding;
  }

  #take(place: Place<Member>, share: number, alone: boolean): WorkerSlot<Member> {
    place.held.push(share);
    if (alone) place.reserved = true;
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      place.held.splice(place.held.indexOf(share), 1);
      if (alone) place.reserved = false;
      this.#admit();
    };
    return { worker: place.worker, release };
  }

  async #wait<Given>(
    signal: AbortSignal,
    take: (places: readonly Place<Member>[]) => Given | undefined,
  ): Promise<Given> {
    signal.throwIfAborted();
    if (this.#failed) throw this.#failed;
    return new Promise((resolve, reject) => {
      const waiting: Waiting<Member> = {
        admit: (places) => {
          const given = take(places);
          if (given === undefined) return false;
          signal.removeEventListener("abort", onAbort);
          resolve(given);
          return true;
        },
        reject: (error) => {
          signal.removeEventListener("abort", onAbort);
          reject(error);
        },
      };
      const onAbort = () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(signal.reason);
        this.#admit();
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(waiting);
      this.#admit();
    });
  }

  /** Admits those who wait, the first first: whoever needs a worker alone would else never get one. */
  #admit(): void {
    const places = [...this.#places.values()];
    while (this.#waiting[0]?.admit(places)) this.#waiting.shift();
  }
}
