/** What network calls cost here: measured once before the first work, and on every call of the work itself. */
import { mostCanvasPixels } from "../../shared/chain/canvas-limit.js";
import type { NetworkCard } from "../../shared/chain/network-card.js";
import type { CostPoint } from "../../shared/fleet/cost-point.js";
import type { PictureSize } from "../../shared/operators/task.js";
import type { NoiseEstimator } from "./network.js";

/** Calls whose median is taken: enough to pass over a slow one, few enough to follow a machine that gets busier. */
const latestCalls = 15;

/** Combinations of batch and size that are kept; the one not seen for longest is forgotten. */
const keptPoints = 256;

/** All calls of one batch, whatever their sizes. */
export interface CallTotals {
  readonly batch: number;
  readonly calls: number;
  /** Seconds. */
  readonly seconds: number;
}

interface Measured {
  readonly batch: number;
  readonly size: PictureSize;
  /** Seconds, the latest last. */
  readonly latest: number[];
  calls: number;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** A network that notes how long its calls take. */
export class MeasuredNetwork implements NoiseEstimator {
  readonly card: NetworkCard;
  readonly roundPixels: number | undefined;
  readonly prefersOneSize: boolean | undefined;
  readonly #inner: NoiseEstimator;
  readonly #now: () => number;
  /** In the order of the last call. */
  readonly #measured = new Map<string, Measured>();
  readonly #changed = new Set<string>();
  readonly #totals = new Map<number, CallTotals>();

  /** @param now milliseconds of a clock that never goes back */
  constructor(inner: NoiseEstimator, now: () => number = () => performance.now()) {
    this.card = inner.card;
    this.roundPixels = inner.roundPixels;
    this.prefersOneSize = inner.prefersOneSize;
    this.#inner = inner;
    this.#now = now;
  }

  async prepare(states: number, size: PictureSize): Promise<void> {
    await this.#inner.prepare?.(states, size);
  }

  async evaluate(
    x: Float32Array,
    timesteps: readonly number[],
    size: PictureSize,
    out: Float32Array,
  ): Promise<void> {
    await this.prepare(timesteps.length, size);
    const started = this.#now();
    await this.#inner.evaluate(x, timesteps, size, out);
    this.#note(timesteps.length, size, (this.#now() - started) / 1000);
  }

  /** The points that changed since this was last asked. */
  changedCosts(): CostPoint[] {
    const points = [...this.#changed].flatMap((key) => {
      const measured = this.#measured.get(key);
      if (!measured) return [];
      const { batch, size, latest, calls } = measured;
      return [{ batch, height: size.height, width: size.width, seconds: median(latest), calls }];
    });
    this.#changed.clear();
    return points;
  }

  /** What all calls so far took together, by batch. */
  callTotals(): CallTotals[] {
    return [...this.#totals.values()];
  }

  /** What is known of calls of one size, smallest batch first. */
  costsOf({ height, width }: PictureSize): CostPoint[] {
    return [...this.#measured.values()]
      .filter(({ size }) => size.height === height && size.width === width)
      .map(({ batch, latest, calls }) => ({ batch, height, width, seconds: median(latest), calls }))
      .sort((a, b) => a.batch - b.batch);
  }

  #note(batch: number, { height, width }: PictureSize, seconds: number): void {
    const before = this.#totals.get(batch) ?? { calls: 0, seconds: 0 };
    this.#totals.set(batch, { batch, calls: before.calls + 1, seconds: before.seconds + seconds });
    const key = `${batch} ${height}x${width}`;
    const measured = this.#measured.get(key) ?? { batch, size: { height, width }, latest: [], calls: 0 };
    measured.calls++;
    measured.latest.push(seconds);
    if (measured.latest.length > latestCalls) measured.latest.shift();
    this.#measured.delete(key);
    this.#measured.set(key, measured);
    this.#changed.add(key);
    if (this.#measured.size > keptPoints) {
      const [oldest] = this.#measured.keys();
      this.#measured.delete(oldest);
    }
  }
}

/** Side of the pictures a network of no fixed size is measured with: the smallest its card permits from here on. */
const measuredSide = 64;

const measuredSize = ({ fixedSize, sizeMultiple }: NetworkCard): PictureSize => {
  const side = Math.ceil(measuredSide / sizeMultiple) * sizeMultiple;
  return fixedSize ?? { height: side, width: side };
};

/** Calls of each batch: the first one of a size allocates memory, the median passes over it. */
const callsEach = 3;

const largestBatch = 16;

/** Milliseconds that preparations may take besides, which a GPU needs for every batch. */
const preparingMilliseconds = 10_000;

/**
 * Measures batches of 1, 2, 4, ... 16, as far as the time and the memory of a slice reach: the next is begun only if it should
 * end in time. What has to be prepared for a batch has a time of its own.
 * @param seconds none are spent if this is 0
 * @param size of the states; default: the network's own, or 64x64
 */
export async function measureCalls(
  network: MeasuredNetwork,
  seconds: number,
  now: () => number = () => performance.now(),
  size: PictureSize = measuredSize(network.card),
): Promise<void> {
  if (seconds <= 0) return;
  const pixels = size.height * size.width;
  const numbers = 3 * pixels;
  const most = Math.min(largestBatch, Math.floor(mostCanvasPixels / pixels));
  let [time, preparing] = [1000 * seconds, preparingMilliseconds];
  let [expected, longest] = [0, 0];
  for (let batch = 1; batch <= most && expected <= time && longest <= preparing; batch *= 2) {
    const begun = now();
    await network.prepare(batch, size);
    longest = Math.max(longest, now() - begun);
    preparing -= now() - begun;
    const started = now();
    const timesteps = Array.from({ length: batch }, (_, i) => 999 - i);
    const out = new Float32Array(batch * numbers);
    for (let call = 0; call < callsEach && (call === 0 || now() - started <= time); call++) {
      await network.evaluate(new Float32Array(batch * numbers), timesteps, size, out);
    }
    expected = 2 * (now() - started);
    time -= now() - started;
  }
}
