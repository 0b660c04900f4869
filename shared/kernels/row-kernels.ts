/**
 * The compiled kernels of `assembly/`: everything between two network calls of a round that is one pass over rows of
 * states. They are WebAssembly, not ONNX graphs, because a graph of general operators lays every intermediate row
 * out in memory and copies every output once more; these read and write each row once.
 */
import { readFileSync } from "node:fs";
import { packageRoot } from "../package-root.js";

/** Byte offset into the kernels' memory. */
export type Address = number;

/** What `assembly/index.ts` exports; described there. */
export interface RowKernels {
  setLayout(rowBytes: number, riderBytes: number, scratch: Address, scratchLineBytes: number): void;
  setScan(
    steps: number,
    states: Address,
    noise: Address,
    measurement: Address,
    fresh: Address,
    entry: Address,
    deltas: Address,
    exit: Address,
    coefficients: Address,
  ): void;
  scanBands(sources: Address, sourceBytes: number, table: Address, height: number, width: number): void;
  scanBlocks(width: number, scale: number): void;
  scanMasked(mask: Address, maskBytes: number): void;
  scanChannels(weights: Address): void;
  setRiders(riders: Address, noise: Address, measurement: Address, fresh: Address, entry: Address): void;
  scanRiders(differences: Address): void;
  combineRows(terms: Address, count: number, out: Address, bytes: number): void;
  combineRiders(terms: Address, count: number, riders: Address, difference: Address): void;
  combineMasked(terms: Address, count: number, out: Address, mask: Address, maskBytes: number): void;
  addBlocks(riders: Address, out: Address, width: number, scale: number): void;
  addGray(out: Address, difference: Address, weights: Address): void;
  addRow(out: Address, added: Address): void;
  passRow(z: Address, delta: Address, inRange: Address, onNull: number, onRange: number): void;
  passRiders(riders: Address, ofDelta: Address, onRange: number): void;
  passBlocks(
    z: Address,
    delta: Address,
    ofDelta: Address,
    onNull: number,
    onRange: number,
    width: number,
    scale: number,
  ): void;
  passChannels(z: Address, delta: Address, onNull: number, onRange: number, weights: Address): void;
  passMasked(
    z: Address,
    delta: Address,
    onNull: number,
    onRange: number,
    mask: Address,
    maskBytes: number,
  ): void;
  poolBlocks(row: Address, riders: Address, width: number, scale: number): void;
  bandedLines(from: Address, bytes: number, table: Address, rows: number, to: Address): void;
  weighNumbers(from: Address, weights: Address, to: Address, bytes: number): void;
  turnPlane(from: Address, height: number, width: number, to: Address): void;
  walshHadamard(plane: Address, count: number, share: number, from?: Address): void;
  cosinesOfPlane(
    from: Address,
    to: Address,
    height: number,
    heightTable: Address,
    width: number,
    widthTable: Address,
    work: Address,
  ): void;
  planeOfCosines(
    from: Address,
    to: Address,
    height: number,
    heightTable: Address,
    width: number,
    widthTable: Address,
    work: Address,
  ): void;
  dot(a: Address, b: Address, bytes: number): number;
  gather(row: Address, positions: Address, count: number, out: Address): void;
  gatherWeighted(row: Address, positions: Address, weights: Address, count: number, out: Address): void;
  gatherGray(row: Address, pixels: Address, weights: Address, count: number, out: Address): void;
  gatherColour(
    row: Address,
    positions: Address,
    pixels: Address,
    shares: Address,
    weights: Address,
    count: number,
    out: Address,
  ): void;
  gatherRest(
    row: Address,
    positions: Address,
    riders: Address,
    places: Address,
    shares: Address,
    count: number,
    out: Address,
  ): void;
  measureList(
    z: Address,
    next: Address,
    eps: Address,
    y: Address,
    fresh: Address,
    coefficients: Address,
    bytes: number,
    previousState: Address,
    previousMade: Address,
    sums: Address,
  ): void;
  measureMasked(
    z: Address,
    eps: Address,
    y: Address,
    fresh: Address,
    coefficients: Address,
    mask: Address,
    maskBytes: number,
    previousState: Address,
    previousMade: Address,
    sums: Address,
  ): void;
}

/** Bytes of a page of WebAssembly memory. */
const pageBytes = 65536;
/** Addresses are 32 bits wide. */
const mostPages = 65536;

let compiled: WebAssembly.Module | undefined;

const isRowKernels = (exports: unknown): exports is RowKernels =>
  typeof exports === "object" && exports !== null && "gatherColour" in exports;

/**
 * A memory of at least `bytes`, zero throughout, and the kernels that work on it. Memories never grow, so views of them
 * stay valid.
 * @throws RangeError if it would exceed 4 GiB, or the system has not that much
 */
export function allocateRowKernels(bytes: number): { memory: ArrayBuffer; kernels: RowKernels } {
  const pages = Math.ceil(bytes / pageBytes);
  if (pages > mostPages) throw new RangeError(`${bytes} bytes exceed the 4 GiB a slice may hold`);
  compiled ??= new WebAssembly.Module(readFileSync(new URL("dist/row-kernels.wasm", packageRoot)));
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  if (!isRowKernels(exports)) throw new Error("dist/row-kernels.wasm is of another version: build again");
  return { memory: memory.buffer, kernels: exports };
}
