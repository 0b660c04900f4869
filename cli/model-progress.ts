/** Progress of an import: how much of the checkpoint has been read, on a line that is redrawn on terminals. */
import type { Checkpoint, StoredDtype } from "../shared/checkpoint/checkpoint.js";
import type { OutputStream } from "./console.js";

const eraseLine = "\r\u001b[2K";
const defaultColumns = 80;

/** Milliseconds between two drawings of the line. */
const redrawInterval = 100;

const bytesPerElement: Readonly<Record<StoredDtype, number>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
};

/** A line on a terminal; on other streams nothing. */
export class ProgressLine {
  readonly #stream: OutputStream;
  readonly #now: () => number;
  #drawn = Number.NEGATIVE_INFINITY;
  #shown = false;

  /** @param now milliseconds, of a clock that never goes back */
  constructor(stream: OutputStream, now: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#now = now;
  }

  /** Shows the text unless another was shown a moment ago. */
  draw(text: string): void {
    if (this.#stream.isTTY !== true || this.#now() - this.#drawn < redrawInterval) return;
    this.#drawn = this.#now();
    this.#shown = true;
    this.#stream.write(`${eraseLine}${text.slice(0, (this.#stream.columns ?? defaultColumns) - 1)}`);
  }

  /** Removes the line, so that something else can be printed; the next one is drawn at once. */
  clear(): void {
    if (this.#shown) this.#stream.write(eraseLine);
    this.#shown = false;
    this.#drawn = Number.NEGATIVE_INFINITY;
  }
}

/**
 * The checkpoint, reporting what is read of it.
 * @param report receives the share of its bytes whose tensors have been read at least once, 0 to 1, before each reading
 */
export function reportingCheckpoint(checkpoint: Checkpoint, report: (share: number) => void): Checkpoint {
  const sizes = new Map(
    [...checkpoint.tensors].map(([name, { shape, dtype }]) => [
      name,
      shape.reduce((a, b) => a * b, 1) * bytesPerElement[dtype],
    ]),
  );
  const total = [...sizes.values()].reduce((a, b) => a + b, 0);
  const seen = new Set<string>();
  let done = 0;
  const tensors = new Map(
    [...checkpoint.tensors].map(([name, tensor]) => [
      name,
      {
        name: tensor.name,
        dtype: tensor.dtype,
        shape: tensor.shape,
        read: () => {
          report(total === 0 ? 1 : done / total);
          if (!seen.has(name)) done += sizes.get(name) ?? 0;
          seen.add(name);
          return tensor.read();
        },
      },
    ]),
  );
  return {
    source: checkpoint.source,
    format: checkpoint.format,
    unwrapped: checkpoint.unwrapped,
    tensors,
    sha256: () => checkpoint.sha256(),
    close: () => checkpoint.close(),
  };
}
