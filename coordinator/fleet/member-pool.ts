/**
 * A pool of workers, wherever they come from: a registry adds those that join over the network, a supervisor of local processes
 * those it has started. See worker-pool.ts for what it promises to those who take workers out of it.
 */
import type { Slice, SliceSpec } from "../../shared/chain/slice-host.js";
import type { CostPoint } from "../../shared/fleet/cost-point.js";
import type { WorkerChannel } from "../wire/worker-channel.js";
import { Member, type NewMember } from "./member.js";
import { LeasedGroup } from "./slice-group.js";
import type {
  GroupRequest,
  MemberDescription,
  PictureRequest,
  SliceGroup,
  WorkerLease,
  WorkerPool,
} from "./worker-pool.js";
import { WorkerSlots } from "./worker-slots.js";

/** Opens a slice on a worker. */
export type OpenSlice = (spec: SliceSpec, worker: WorkerChannel, signal: AbortSignal) => Promise<Slice>;

/** How a pool is set up. */
export interface MemberPoolOptions {
  readonly openSlice: OpenSlice;
  /** How long a slice of a chain under way waits for a worker, if there is none. Milliseconds; default: a minute. */
  readonly replacementMilliseconds?: number | undefined;
}

export class MemberPool implements WorkerPool {
  readonly #openSlice: OpenSlice;
  readonly #replacementMilliseconds: number;
  readonly #members = new Map<string, Member>();
  /** By hash of the model. */
  readonly #slots = new Map<string, WorkerSlots<Member>>();
  readonly #listeners = new Set<() => void>();
  #failed: Error | undefined;

  constructor({ openSlice, replacementMilliseconds = 60_000 }: MemberPoolOptions) {
    this.#openSlice = openSlice;
    this.#replacementMilliseconds = replacementMilliseconds;
  }

  /** A worker may be given work from now on. A member of the same name is gone. */
  join(newcomer: NewMember): void {
    this.remove(newcomer.name, "another process has its name by now");
    const member = new Member(newcomer);
    this.#members.set(member.name, member);
    this.#slotsOf(member.channel.card.hash).join(member, member.batch);
    this.#changed();
  }

  /** A member is given nothing more, and keeps what it holds. */
  drain(name: string): void {
    const member = this.#members.get(name);
    if (!member || member.draining) return;
    member.draining = true;
    this.#slotsOf(member.channel.card.hash).leave(member);
    this.#changed();
  }

  /** A member is gone; what it holds fails. */
  remove(name: string, reason: string): void {
    const member = this.#members.get(name);
    if (!member) return;
    this.#members.delete(name);
    // First, so that nobody who hears of the loss is given it again.
    this.#slotsOf(member.channel.card.hash).leave(member);
    member.lose(reason);
    this.#changed();
  }

  /** A member has measured what network calls cost it. */
  learn(name: string, costs: readonly CostPoint[]): void {
    this.#members.get(name)?.learn(costs);
  }

  /** Nobody will ever join: all who wait for a place, and all who ask for one, get the reason. */
  fail(error: Error): void {
    this.#failed = error;
    for (const slots of this.#slots.values()) slots.fail(error);
  }

  async acquire({ model, size, alone, signal }: PictureRequest): Promise<WorkerLease> {
    const slot = await this.#slotsOf(model).acquire(size, alone, signal);
    const member = slot.worker;
    member.pictures++;
    this.#changed();
    let held = true;
    return {
      worker: member.name,
      channel: member.channel,
      host: { width: 1, open: (spec, _, abort) => this.#openSlice(spec, member.channel, abort) },
      lost: member.lost,
      draining: () => member.draining,
      release: () => {
        if (!held) return;
        held = false;
        member.pictures--;
        slot.release();
        this.#changed();
      },
    };
  }

  async acquireGroup({ model, slices, signal }: GroupRequest): Promise<SliceGroup> {
    const slots = this.#slotsOf(model);
    const seats = await slots.acquireGroup(slices, signal);
    this.#changed();
    return new LeasedGroup(seats, {
      slots,
      model,
      open: (spec, member, abort) => this.#openCounted(spec, member, abort),
      waitMilliseconds: this.#replacementMilliseconds,
      onChange: () => this.#changed(),
    });
  }

  capacity(model: string): number {
    return this.#slots.get(model)?.capacity() ?? 0;
  }

  members(): readonly MemberDescription[] {
    return [...this.#members.values()].map((member) => member.describe());
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Opens a slice that counts as the member's until it is closed. */
  async #openCounted(spec: SliceSpec, member: Member, signal: AbortSignal): Promise<Slice> {
    const slice = await this.#openSlice(spec, member.channel, signal);
    member.slices++;
    let open = true;
    return {
      round: (command, abort) => slice.round(command, abort),
      serial: (abort) => slice.serial(abort),
      readState: (which, abort) => slice.readState(which, abort),
      give: (run, abort) => slice.give(run, abort),
      recut: (range, abort) => slice.recut(range, abort),
      close: async () => {
        if (open) member.slices--;
        open = false;
        await slice.close();
      },
    };
  }

  #slotsOf(model: string): WorkerSlots<Member> {
    const known = this.#slots.get(model);
    if (known) return known;
    const slots = new WorkerSlots<Member>();
    if (this.#failed) slots.fail(this.#failed);
    this.#slots.set(model, slots);
    return slots;
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
