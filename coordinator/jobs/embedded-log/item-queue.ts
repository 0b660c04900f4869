/**
 * The items of a job, in the order in which they were published. Two files: `items.log`, an item a line, and `marks.log`, which
 * says of items, by their line's number, when they were taken and that they are settled. Neither grows beyond what was
 * published and given out. In memory are a bit per item, the items that are taken or given back, and a few thousand that
 * come next.
 */
import { join } from "node:path";
import { z } from "zod";
import { FatalError } from "../../../shared/errors.js";
import { type WorkItem, workItemSchema } from "../../../shared/jobs/work-item.js";
import type { TakenItem } from "../job-log.js";
import { Change } from "./change.js";
import { type Line, LineFile } from "./line-file.js";
import { Mutex } from "./mutex.js";
import { NumberSet } from "./number-set.js";

const number = z.int().min(0);
const markSchema = z.union([
  z.strictObject({ taken: z.array(number) }),
  /** From and to, both included. */
  z.strictObject({ settled: z.tuple([number, number]) }),
]);

/** An item with the number of its line. */
interface Entry {
  readonly number: number;
  readonly item: WorkItem;
}

/** One that was given out and came back. */
interface Returned extends Entry {
  /** When it may be given out again, in milliseconds of the clock. */
  readonly from: number;
}

/** One that is given out. */
interface Given extends Entry {
  /** When it is given out again without word from its taker. */
  deadline: number;
}

export class ItemQueue {
  readonly #items: LineFile;
  readonly #marks: LineFile;
  readonly #ackMilliseconds: number;
  readonly #mutex = new Mutex();
  readonly #change = new Change();
  readonly #settled: NumberSet;
  /** How often unsettled items were given out. */
  readonly #deliveries: Map<number, number>;
  /** In the order of their deadlines: all are given the same time. */
  readonly #given = new Map<number, Given>();
  #returned: Returned[] = [];
  /** Read, not given out. */
  #ahead: Entry[] = [];
  #lines: AsyncGenerator<readonly Line[], void, undefined> | undefined;
  /** Of the next line to read. */
  #next = { number: 0, offset: 0 };
  #closed = false;

  private constructor(
    items: LineFile,
    marks: LineFile,
    ackMilliseconds: number,
    settled: NumberSet,
    deliveries: Map<number, number>,
  ) {
    this.#items = items;
    this.#marks = marks;
    this.#ackMilliseconds = ackMilliseconds;
    this.#settled = settled;
    this.#deliveries = deliveries;
  }

  /** @param ackMilliseconds after which an item is given out again without word from its taker */
  static async open(folder: string, ackMilliseconds: number): Promise<ItemQueue> {
    const items = await LineFile.open(join(folder, "items.log"));
    const settled = new NumberSet();
    const deliveries = new Map<number, number>();
    const path = join(folder, "marks.log");
    const marks = await LineFile.open(path, ({ json }) => {
      const { success, data: mark, error } = markSchema.safeParse(JSON.parse(json));
      if (!success) {
        throw new FatalError(`${path} holds a mark of another version: ${z.prettifyError(error)}`);
      }
      if ("taken" in mark) {
        for (const number of mark.taken) deliveries.set(number, (deliveries.get(number) ?? 0) + 1);
      } else {
        for (let number = mark.settled[0]; number <= mark.settled[1]; number++) {
          settled.add(number);
          deliveries.delete(number);
        }
      }
    }).catch(async (cause: unknown) => {
      await items.close();
      throw cause;
    });
    return new ItemQueue(items, marks, ackMilliseconds, settled, deliveries);
  }

  async publish(items: readonly WorkItem[]): Promise<void> {
    await this.#items.append(items);
    this.#change.announce();
  }

  /** See `JobLog.take`. */
  async take(
    max: number,
    { waitMilliseconds, signal }: { readonly waitMilliseconds: number; readonly signal: AbortSignal },
  ): Promise<readonly TakenItem[]> {
    const until = performance.now() + waitMilliseconds;
    while (!signal.aborted && !this.#closed) {
      const taken = await this.#mutex.run(() => this.#takeNow(max));
      const now = performance.now();
      if (taken.length > 0 || now >= until) return taken;
      await this.#change.next(signal, Math.min(until, this.#nextReturn()) - now);
    }
    return [];
  }

  async #takeNow(max: number): Promise<TakenItem[]> {
    this.#expire();
    const now = performance.now();
    const entries: Entry[] = [];
    this.#returned = this.#returned.filter((entry) => {
      if (entries.length >= max || entry.from > now) return true;
      entries.push(entry);
      return false;
    });
    try {
      while (entries.length < max) {
        const entry = this.#ahead.shift();
        if (entry) entries.push(entry);
        else if (!(await this.#readAhead())) break;
      }
      if (entries.length === 0) return [];
      await this.#marks.append([{ taken: entries.map(({ number }) => number) }]);
    } catch (cause) {
      this.#lines = undefined;
      this.#returned.unshift(...entries.map((entry) => ({ ...entry, from: 0 })));
      throw cause;
    }
    return entries.map((entry) => this.#give(entry));
  }

  /** Whether there was anything to read. */
  async #readAhead(): Promise<boolean> {
    while (this.#next.offset < this.#items.bytes) {
      this.#lines ??= this.#items.read(this.#next.offset);
      const { value: lines } = await this.#lines.next();
      if (!lines) {
        this.#lines = undefined;
        continue;
      }
      for (const { json, end } of lines) {
        const { number } = this.#next;
        if (!this.#settled.has(number)) this.#ahead.push({ number, item: this.#parse(json) });
        this.#next = { number: number + 1, offset: end };
      }
      if (this.#ahead.length > 0) return true;
    }
    return false;
  }

  #parse(json: string): WorkItem {
    const { success, data, error } = workItemSchema.safeParse(JSON.parse(json));
    if (success) return data;
    throw new FatalError(`${this.#items.path} holds an item of another version: ${z.prettifyError(error)}`);
  }

  #give({ number, item }: Entry): TakenItem {
    const delivery = (this.#deliveries.get(number) ?? 0) + 1;
    this.#deliveries.set(number, delivery);
    const given: Given = { number, item, deadline: performance.now() + this.#ackMilliseconds };
    this.#given.set(number, given);
    /** Whether it was not settled or given out again meanwhile. */
    const isHeld = () => this.#given.get(number) === given;
    return {
      item,
      delivery,
      working: () => {
        if (!isHeld()) return;
        given.deadline = performance.now() + this.#ackMilliseconds;
        this.#given.delete(number);
        this.#given.set(number, given);
      },
      settle: () => this.#settle(number),
      giveBack: async (delayMilliseconds) => {
        if (isHeld()) this.#takeBack(given, performance.now() + delayMilliseconds);
      },
    };
  }

  async #settle(number: number): Promise<void> {
    await this.#marks.append([{ settled: [number, number] }]);
    this.#forget(number);
    this.#returned = this.#returned.filter((entry) => entry.number !== number);
  }

  #forget(number: number): void {
    this.#settled.add(number);
    this.#given.delete(number);
    this.#deliveries.delete(number);
  }

  #takeBack({ number, item }: Given, from: number): void {
    this.#given.delete(number);
    this.#returned.push({ number, item, from });
    this.#change.announce();
  }

  #expire(): void {
    const now = performance.now();
    for (const given of this.#given.values()) {
      if (given.deadline > now) break;
      this.#takeBack(given, now);
    }
  }

  /** When the next item that was given out may be given out again. */
  #nextReturn(): number {
    const [oldest] = this.#given.values();
    return Math.min(oldest?.deadline ?? Number.POSITIVE_INFINITY, ...this.#returned.map(({ from }) => from));
  }

  async backlog(): Promise<{ queued: number; taken: number }> {
    this.#expire();
    const taken = this.#given.size;
    return { queued: this.#items.count - this.#settled.size - taken, taken };
  }

  /** Settles all items that nobody has taken. */
  purge(): Promise<void> {
    return this.#mutex.run(async () => {
      this.#expire();
      const single = [...this.#returned, ...this.#ahead].map(({ number }) => number);
      const ranges = single.map((number): [number, number] => [number, number]);
      const rest = { from: this.#next.number, to: this.#items.count - 1 };
      if (rest.from <= rest.to) ranges.push([rest.from, rest.to]);
      const offset = this.#items.bytes;
      await this.#marks.append(ranges.map((settled) => ({ settled })));
      for (const [from, to] of ranges) for (let number = from; number <= to; number++) this.#forget(number);
      this.#returned = [];
      this.#ahead = [];
      this.#lines = undefined;
      this.#next = { number: rest.to + 1, offset };
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#change.announce();
    await this.#mutex.run(async () => {});
    await this.#items.close();
    await this.#marks.close();
  }
}
