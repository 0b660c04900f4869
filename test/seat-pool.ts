/** A pool of workers that are seats and nothing else: for tests of who sits where and when. */

import type {
  GroupRequest,
  MemberDescription,
  PictureRequest,
  SliceGroup,
  WorkerLease,
  WorkerPool,
} from "../coordinator/fleet/worker-pool.js";
import type { WorkerChannel } from "../coordinator/wire/worker-channel.js";
import type { BatchLimits } from "../shared/chain/batch-limits.js";

const noHost = {
  width: 1,
  open: () => Promise.reject(new Error("a seat opens no slice")),
};

/** Workers of one model with so many seats in all, given out in the order in which they are asked for. */
export class SeatPool implements WorkerPool {
  readonly #model: string;
  readonly #members: number;
  #free: number;
  #given = 0;
  readonly #line: { readonly seats: number; readonly admit: () => void }[] = [];
  readonly #listeners = new Set<() => void>();

  constructor(model: string, members: number, seats: number) {
    this.#model = model;
    this.#members = members;
    this.#free = seats;
  }

  async acquire({ signal }: PictureRequest): Promise<WorkerLease> {
    const release = await this.#sit(1, signal);
    const channel = { address: "seat" } as WorkerChannel;
    return {
      // In turn, as many pictures as they have.
      worker: `seat-${this.#given++ % this.#members}`,
      channel,
      host: noHost,
      lost: new AbortController().signal,
      draining: () => false,
      release,
    };
  }

  async acquireGroup({ slices, signal }: GroupRequest): Promise<SliceGroup> {
    const release = await this.#sit(Math.min(slices, this.#members), signal);
    return { host: noHost, workers: () => ["seat"], release };
  }

  capacity(model: string): number {
    return model === this.#model ? this.#free : 0;
  }

  members(): readonly MemberDescription[] {
    const batch: BatchLimits = { pictures: 1, pixels: 1e6 };
    return Array.from({ length: this.#members }, (_, i) => ({
      name: `seat-${i}`,
      state: "serving",
      address: "seat",
      device: "cpu",
      threads: 1,
      pid: 1,
      version: "0",
      network: { hash: this.#model, sizeMultiple: 1, fixedSize: undefined },
      batch,
      costs: [],
      holds: { pictures: 0, slices: 0 },
      joinedAt: new Date(0),
    }));
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #sit(seats: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const waiting = { seats, admit: resolve };
      signal.addEventListener("abort", () => {
        const place = this.#line.indexOf(waiting);
        if (place >= 0) this.#line.splice(place, 1);
        reject(signal.reason);
      });
      this.#line.push(waiting);
      this.#admit();
    });
    let sits = true;
    return () => {
      if (!sits) return;
      sits = false;
      this.#free += seats;
      this.#admit();
    };
  }

  #admit(): void {
    for (let next = this.#line[0]; next && next.seats <= this.#free; next = this.#line[0]) {
      this.#line.shift();
      this.#free -= next.seats;
      next.admit();
    }
    for (const listener of this.#listeners) listener();
  }
}
