/** The canvas: the size a picture's chain runs at, the picture padded to what network and operator permit. */
import type { NetworkCard } from "../chain/network-card.js";
import { InputError, PictureError } from "../errors.js";
import type { DegradationOperator } from "../operators/operator.js";
import { canvasMultiple, createOperator, type PictureSize, type TaskSettings } from "../operators/task.js";
import type { Mask } from "../pictures/mask.js";
import { canvasSize, padReflect } from "../pictures/pad.js";

const greatestCommonDivisor = (a: number, b: number): number =>
  b === 0 ? a : greatestCommonDivisor(b, a % b);

const leastCommonMultiple = (a: number, b: number): number => (a / greatestCommonDivisor(a, b)) * b;

const shown = ({ height, width }: PictureSize): string => `${width}x${height}`;

/**
 * The canvas of a restored picture of `size`.
 * @throws PictureError if the network's fixed size is smaller, or the task does not permit padding and needs it
 */
export function canvasFor(size: PictureSize, task: TaskSettings, network: NetworkCard): PictureSize {
  const { fixedSize, sizeMultiple } = network;
  if (fixedSize && (size.height > fixedSize.height || size.width > fixedSize.width)) {
    throw new PictureError(
      `the picture is ${shown(size)}, but the network takes ${shown(fixedSize)} only; make the picture smaller or use another --model`,
    );
  }
  const multiple = leastCommonMultiple(sizeMultiple, canvasMultiple(task));
  const canvas = fixedSize ?? canvasSize(size, multiple);
  const padded = canvas.height !== size.height || canvas.width !== size.width;
  // Every measurement of compressed sensing is a sum over the whole picture: there is none of a padded one.
  if (task.task === "cs-hadamard" && padded) {
    throw new PictureError(
      `cs-hadamard pictures cannot be padded: ${shown(size)} would need ${shown(canvas)}; crop or scale the picture to powers of two that the network takes`,
    );
  }
  return canvas;
}

/** An operator on a canvas, with what the solver needs of it. */
export interface CanvasOperator {
  readonly canvas: PictureSize;
  readonly operator: DegradationOperator;
  /** The mask on the canvas, [H * W]. */
  readonly mask: Uint8Array | undefined;
}

/** Canvases whose operators are kept: pictures of a dataset mostly share a few sizes. */
const keptCanvases = 4;

/** The operators of a run, by picture size. */
export class CanvasOperators {
  readonly #task: TaskSettings;
  readonly #network: NetworkCard;
  readonly #mask: Mask | undefined;
  readonly #kept = new Map<string, CanvasOperator>();

  /** @param mask of the task `inpaint`, unpadded */
  constructor(task: TaskSettings, network: NetworkCard, mask: Mask | undefined) {
    this.#task = task;
    this.#network = network;
    this.#mask = mask;
  }

  /**
   * The operator for restored pictures of `size`.
   * @throws PictureError if the size suits neither network, task nor mask
   */
  for(size: PictureSize): CanvasOperator {
    const key = shown(size);
    const found = this.#kept.get(key) ?? this.#create(size);
    this.#kept.delete(key);
    this.#kept.set(key, found);
    if (this.#kept.size > keptCanvases) {
      const [oldest] = this.#kept.keys();
      this.#kept.delete(oldest!);
    }
    return found;
  }

  #create(size: PictureSize): CanvasOperator {
    const canvas = canvasFor(size, this.#task, this.#network);
    const mask = this.#mask && padMask(this.#mask, size, canvas);
    try {
      const operator = createOperator(this.#task, canvas, mask ? { mask: { ...canvas, kept: mask } } : {});
      return { canvas, operator, mask };
    } catch (cause) {
      // A size the task does not permit is this picture's trouble; the others may have another.
      if (cause instanceof InputError) throw new PictureError(cause.message, { cause });
      throw cause;
    }
  }
}

function padMask(mask: Mask, size: PictureSize, canvas: PictureSize): Uint8Array {
  if (mask.height !== size.height || mask.width !== size.width) {
    throw new PictureError(
      `the mask is ${shown(mask)}, the picture ${shown(size)}; give a mask of the picture's size`,
    );
  }
  return padReflect(mask.kept, { channels: 1, ...size }, canvas);
}
