/** The stack of the pickle machine, with its marks and the limits on what a pickle may pile up. */
import type { InputError } from "../errors.js";
import type { PickleValue } from "./pickle-values.js";

/** Containers and tensors of one pickle; each takes up to 200 bytes. A tensor takes 5. */
const maxObjects = 1_000_000;

/** Marks open at a time: how deep a pickle nests. */
const maxMarks = 1000;

/** A stack of values, cut into frames by marks. */
export class PickleStack {
  #frame: PickleValue[] = [];
  readonly #frames: PickleValue[][] = [];
  readonly #damaged: (why: string) => InputError;
  #objects = 0;

  /** @param damaged makes the error for a pickle that takes what it did not push, or exceeds a limit */
  constructor(damaged: (why: string) => InputError) {
    this.#damaged = damaged;
  }

  push(value: PickleValue): void {
    this.#frame.push(value);
  }

  /** Pushes a value made for it, which counts. */
  pushObject(value: PickleValue): void {
    this.count(1);
    this.#frame.push(value);
  }

  /** Counts `objects` more containers or copied entries. */
  count(objects: number): void {
    this.#objects += objects;
    if (this.#objects > maxObjects) throw this.#damaged(`it makes more than ${maxObjects} objects`);
  }

  mark(): void {
    if (this.#frames.length >= maxMarks) throw this.#damaged(`it nests deeper than ${maxMarks}`);
    this.#frames.push(this.#frame);
    this.#frame = [];
  }

  /** The values since the last mark; the mark is removed. */
  popMark(): PickleValue[] {
    const values = this.#frame;
    const below = this.#frames.pop();
    if (below === undefined) throw this.#damaged("a mark is missing");
    this.#frame = below;
    return values;
  }

  top(): PickleValue {
    const value = this.#frame.at(-1);
    if (value === undefined) throw this.#damaged("the stack is empty");
    return value;
  }

  /** The last `count` values, removed. */
  take(count: number): PickleValue[] {
    if (this.#frame.length < count) throw this.#damaged("the stack is empty");
    return this.#frame.splice(this.#frame.length - count, count);
  }

  /** POP: the last value, or the mark above it. */
  drop(): void {
    if (this.#frame.length > 0) this.#frame.pop();
    else this.popMark();
  }

  /** The one value that is left at the end. */
  last(): PickleValue {
    if (this.#frames.length > 0 || this.#frame.length !== 1) {
      throw this.#damaged("it ends with more or less than one value on its stack");
    }
    return this.top();
  }
}
