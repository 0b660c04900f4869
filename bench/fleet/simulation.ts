/**
 * A discrete-event simulation: processes on a virtual clock.
 *
 * A process is a generator. It yields the moment at which it wants to go on, or a way to be told; nothing else passes
 * time. Events of the same moment happen in the order in which they were scheduled, so a run repeats exactly.
 */

/** What a process waits for: a moment (seconds, not in the past), or a call that it hands out. */
export type Wait = number | ((resume: () => void) => void);

/** Something that happens over virtual time and ends with a result. */
export type Process<Result = void> = Generator<Wait, Result, void>;

interface Event {
  readonly time: number;
  readonly order: number;
  readonly happen: () => void;
}

const isBefore = (a: Event, b: Event): boolean => a.time < b.time || (a.time === b.time && a.order < b.order);

/** The clock and what is to happen. */
export class Simulation {
  /** Seconds since the beginning. */
  now = 0;
  /** A binary heap: no event comes before its parent at (i - 1) / 2. */
  readonly #heap: Event[] = [];
  #scheduled = 0;

  /** @throws RangeError for a moment that is past, or none */
  at(time: number, happen: () => void): void {
    if (!(time >= this.now)) throw new RangeError(`it is ${this.now} s: nothing can happen at ${time} s`);
    const event = { time, order: this.#scheduled++, happen };
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(event, heap[parent])) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = event;
  }

  /** Starts a process now. */
  start<Result>(process: Process<Result>, ended: (result: Result) => void = () => {}): void {
    const goOn = (): void => {
      const { done, value } = process.next();
      if (done) ended(value);
      else if (typeof value === "number") this.at(value, goOn);
      else value(goOn);
    };
    goOn();
  }

  /** Runs processes side by side, until all have ended. @returns their results, in their order */
  *all<Result>(processes: readonly Process<Result>[]): Process<Result[]> {
    const results: Result[] = [];
    let running = processes.length;
    if (running === 0) return results;
    yield (resume) => {
      for (const [index, process] of processes.entries()) {
        this.start(process, (result) => {
          results[index] = result;
          if (--running === 0) resume();
        });
      }
    };
    return results;
  }

  /** Lets everything happen. */
  run(): void {
    for (let next = this.#next(); next; next = this.#next()) {
      this.now = next.time;
      next.happen();
    }
  }

  #next(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || !last) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
      if (!isBefore(heap[child], last)) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

/** Something that serves one after the other, in the order of the requests: a processor, a network card. */
export class Queue {
  /** Seconds it has worked, or will have, once everything requested is done. */
  busySeconds = 0;
  #freeAt = 0;

  /**
   * @param from when the work can begin; never before that of an earlier request
   * @returns when it will be done
   */
  serve(from: number, seconds: number): number {
    this.#freeAt = Math.max(from, this.#freeAt) + seconds;
    this.busySeconds += seconds;
    return this.#freeAt;
  }
}
