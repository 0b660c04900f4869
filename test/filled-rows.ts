/**
 * A block of rows in which only what a test wrote are numbers: everything else is NaN, so that a pass which reads what it
 * was not given shows in its results.
 */
import { expect } from "vitest";
import type { StateKernels } from "../shared/kernels/state-kernels.js";
import {
  type RowBlockSize,
  StateRows,
  type StepRows,
  type StepWeights,
} from "../shared/kernels/state-rows.js";
import { norm, seededValues } from "./seeded-values.js";

/** Float32 sums of some hundred terms. */
const close = 3e-6;

/** `found` is `expected` but for rounding, relative to the length `scale`. */
export function expectNear(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  scale: number,
  what: string,
): void {
  expect(found.length, what).toBe(expected.length);
  const distance = norm(Array.from(found, (v, i) => v - expected[i]));
  expect(distance, what).toBeLessThanOrEqual(close * scale);
}

/** The bytes of numbers, NaN included. */
const bytes = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

/** Whether two arrays hold the same numbers, bit by bit. */
export const sameBits = (a: Float32Array, b: Float32Array): boolean => bytes(a).equals(bytes(b));

/** Rows and riders of one moment. */
export interface Snapshot {
  readonly rows: readonly Buffer[];
  readonly riders: readonly Buffer[];
}

/** Where a test lays n steps, with rows of NaN between. */
export interface StepLayout {
  readonly states: number;
  readonly noise: number;
  readonly measurement: number;
  readonly fresh: number;
  readonly entry: number;
  /** All rows of the block. */
  readonly rows: number;
}

/** The layout of n steps. */
export function stepLayout(n: number): StepLayout {
  const noise = n + 3;
  const measurement = noise + n + 1;
  const fresh = measurement + 2;
  const entry = fresh + n + 1;
  return { states: 1, noise, measurement, fresh, entry, rows: entry + 2 };
}

/** Arbitrary weights of n steps, others on each part. */
export function randomWeights(n: number, seed: number): StepRows["weights"] {
  const values = seededValues(10 * n, seed);
  return Array.from({ length: n }, (_, r) => {
    const on = (at: number): StepWeights => {
      const [jacobian, state, noiseEstimate, measurement, freshNoise] = values.subarray(at, at + 5);
      return { jacobian, state, noiseEstimate, measurement, freshNoise };
    };
    return { range: on(10 * r), null: on(10 * r + 5) };
  });
}

/** A block, and what tests do with it. */
export class FilledRows {
  readonly block: StateRows;
  readonly size: RowBlockSize;

  constructor(kernels: StateKernels, size: Partial<RowBlockSize> & { readonly rows: number }) {
    this.size = { steps: 0, deltas: false, secants: false, ...size };
    this.block = new StateRows(kernels, this.size);
    this.block.rows(0, size.rows).values.fill(Number.NaN);
    this.block.riders(0, size.rows).values.fill(Number.NaN);
  }

  /** Writes states, and their riders, from a row on. */
  async write(row: number, states: Float32Array): Promise<void> {
    const count = states.length / this.block.rows(0, 1).values.length;
    this.block.rows(row, row + count).values.set(states);
    this.block.fillRiders(row, row + count);
  }

  /** A copy of rows. */
  read(row: number, count = 1): Float32Array {
    return this.block.rows(row, row + count).values.slice();
  }

  /** A copy of riders. */
  riders(row: number, count = 1): Float32Array {
    return this.block.riders(row, row + count).values.slice();
  }

  /** A copy of everything. */
  snapshot(): Snapshot {
    const each = (of: (row: number) => Float32Array) =>
      Array.from({ length: this.size.rows }, (_, row) => Buffer.from(bytes(of(row))));
    return {
      rows: each((row) => this.block.rows(row, row + 1).values),
      riders: each((row) => this.block.riders(row, row + 1).values),
    };
  }

  /** Every row but the given ones, and its riders, holds what it held, bit by bit. */
  expectUntouched(before: Snapshot, but: readonly number[], what: string): void {
    const now = this.snapshot();
    const touched = [...now.rows.keys()].filter(
      (row) => !(now.rows[row].equals(before.rows[row]) && now.riders[row].equals(before.riders[row])),
    );
    expect(
      touched.filter((row) => !but.includes(row)),
      `${what}: rows written to`,
    ).toEqual([]);
  }
}
