/** A tensor that lies somewhere in a file, and is read as float32 when asked: only its own bytes, chunk by chunk. */
import { InputError } from "../errors.js";
import type { CheckpointTensor, StoredDtype } from "./checkpoint.js";
import { chunkBytes, type PositionedFile } from "./positioned-file.js";
import { decodeValues, elementBytes } from "./stored-values.js";
import { elementsOf, lastElement, requireLayout, storageOrder, type TensorLayout } from "./tensor-layout.js";

/** Bytes of a storage in a file. */
export interface StoredBytes {
  readonly file: PositionedFile;
  /** Position of element 0. */
  readonly position: number;
  /** Elements of the storage. */
  readonly elements: number;
}

/** Elements converted at a time. */
const chunkElements = chunkBytes / 8;

/** A view of stored bytes. Memory while reading: the result and one chunk. */
export class StoredTensor implements CheckpointTensor {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly #storage: StoredBytes;
  readonly #layout: TensorLayout;

  /** @throws InputError if the view leaves its storage or the storage its file */
  constructor(name: string, dtype: StoredDtype, storage: StoredBytes, layout: TensorLayout) {
    const { file, position, elements } = storage;
    requireLayout(layout, elements, `${file.path}: tensor ${name}`);
    file.requireRange(
      position,
      elements * elementBytes[dtype],
      `tensor ${name} [${layout.shape.join(", ")}]`,
    );
    this.name = name;
    this.dtype = dtype;
    this.#storage = storage;
    this.#layout = layout;
  }

  get shape(): readonly number[] {
    return this.#layout.shape;
  }

  async read(): Promise<Float32Array> {
    const values = new Float32Array(elementsOf(this.shape));
    if (values.length === 0) return values;
    const order = storageOrder(this.#layout);
    const [only] = order;
    if (only === undefined || (order.length === 1 && only.from === 1)) await this.#readGapless(values);
    else await this.#readView(values, order);
    return values;
  }

  async #readGapless(values: Float32Array): Promise<void> {
    const chunk = this.#chunk(values.length);
    for (let at = 0; at < values.length; at += chunkElements) {
      await this.#decode(this.#layout.offset + at, values.subarray(at, at + chunkElements), chunk);
    }
  }

  /** Walks the storage from front to back through a window that is moved on when an element lies outside it. */
  async #readView(values: Float32Array, order: ReturnType<typeof storageOrder>): Promise<void> {
    const end = lastElement(this.#layout) + 1;
    const window = new Float32Array(Math.min(chunkElements, end - this.#layout.offset));
    const chunk = this.#chunk(window.length);
    let start = 0;
    let length = 0;
    const inner = order.at(-1)!;
    const outer = order.slice(0, -1);
    const counter = new Array<number>(outer.length).fill(0);
    for (let from = this.#layout.offset, to = 0; ; ) {
      for (let i = 0; i < inner.size; i++) {
        const element = from + i * inner.from;
        if (element < start || element >= start + length) {
          start = element;
          length = Math.min(window.length, end - start);
          await this.#decode(start, window.subarray(0, length), chunk);
        }
        values[to + i * inner.to] = window[element - start]!;
      }
      let turned = outer.length - 1;
      for (; turned >= 0; turned--) {
        const { size, from: stride, to: step } = outer[turned]!;
        from += stride;
        to += step;
        if (++counter[turned]! < size) break;
        counter[turned] = 0;
        from -= stride * size;
        to -= step * size;
      }
      if (turned < 0) return;
    }
  }

  /** Room for the stored bytes of one step of a conversion, at most of `elements`. */
  #chunk(elements: number): Uint8Array {
    return new Uint8Array(Math.min(chunkElements, elements) * elementBytes[this.dtype]);
  }

  /** Reads the elements from `element` of the storage on into `values`, their bytes into `chunk`. */
  async #decode(element: number, values: Float32Array, chunk: Uint8Array): Promise<void> {
    const { file, position } = this.#storage;
    const width = elementBytes[this.dtype];
    const what = `tensor ${this.name} [${this.shape.join(", ")}]`;
    const bytes = chunk.subarray(0, values.length * width);
    await file.readInto(bytes, position + element * width, what);
    const inexact = decodeValues(this.dtype, bytes, values);
    if (inexact >= 0) {
      throw new InputError(
        `${file.path}: ${what} holds ${this.dtype} values that are no float32, the first at stored element ${element + inexact}; ` +
          "convert it to float32 before saving",
      );
    }
  }
}
