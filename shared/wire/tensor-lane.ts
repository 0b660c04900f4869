/**
 * A lane between two processes of one machine: tensors pass through a file in memory (/dev/shm), and the messages of their
 * stream carry only the number under which one lies there. Through gRPC's JavaScript a tensor of 0.8 MB costs 2.4 ms
 * of processor time, both sides together; through a lane 0.3 ms.
 *
 * Each side writes one region of the file and reads the other. A slice's protocol is lock-step: a side writes its next
 * tensor only after the other has answered the last, so a region holds one tensor at a time. Its number is written
 * after the values and checked by the reader.
 */
import { randomUUID } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  openSync,
  readdirSync,
  readSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { ChainSpec } from "../chain/slice-host.js";
import { RetryableError } from "../errors.js";
import { isAlive } from "../process-alive.js";
import { type WireCounter, wireCounter } from "./wire-traffic.js";

/** Where lanes may lie: memory that both processes see. */
const memoryFolder = "/dev/shm";

/** `deqfleet-lane-PID-UUID`, of the process that made it. Names are checked, since they arrive over the wire. */
const namePattern = /^deqfleet-lane-(\d+)-[0-9a-f-]{36}$/;

/** A new name in the folder of the lanes: guessed by nobody, and removed by {@link sweepLanes} when this process has ended. */
export const laneName = (): string => `deqfleet-lane-${process.pid}-${randomUUID()}`;

/** The path of a name that came over the wire; undefined if it is no name of a lane. */
export const lanePath = (folder: string, name: string): string | undefined =>
  namePattern.test(name) ? join(folder, name) : undefined;

/** Each region begins with the number of the tensor in it. */
const numberBytes = 64;

/**
 * Numbers that a slice's lane has room for: all states of the chain, each with what secants are taken against. The file is
 * sparse, and as large as what was written.
 */
export const laneCapacity = ({ canvas, schedule }: Pick<ChainSpec, "canvas" | "schedule">): number =>
  4 * (schedule.steps + 1) * 3 * canvas.height * canvas.width;

/** The folder for lanes on this machine; undefined where it has none, and tensors travel in messages. */
export function laneFolder(): string | undefined {
  try {
    accessSync(memoryFolder, constants.R_OK | constants.W_OK);
    return memoryFolder;
  } catch {
    return undefined;
  }
}

/** Removes the names of lanes whose makers were killed before the other side came. */
export function sweepLanes(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = namePattern.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    try {
      unlinkSync(join(folder, name));
    } catch {
      // Another's, or gone.
    }
  }
}

/** The streams whose tensors a lane carries: those of its maker, the coordinator, and those of the other side. */
const streams = ["FollowSlice", "OpenSlice"] as const;

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** One side of a lane. */
export class TensorLane {
  readonly #path: string;
  readonly #file: number;
  readonly #mine: number;
  readonly #theirs: number;
  readonly #capacity: number;
  /** Where tensors are received; made when the first comes. */
  #received: Float32Array | undefined;
  readonly #given: WireCounter;
  readonly #taken: WireCounter;
  #written = 0;
  #closed = false;

  private constructor(path: string, file: number, capacity: number, side: 0 | 1) {
    const region = numberBytes + 4 * capacity;
    this.#path = path;
    this.#file = file;
    this.#capacity = capacity;
    this.#mine = side * region;
    this.#theirs = (1 - side) * region;
    this.#given = wireCounter("lane", "sent", streams[side]);
    this.#taken = wireCounter("lane", "received", streams[1 - side]);
  }

  /**
   * Makes a lane.
   * @param capacity numbers of its largest tensor
   * @returns the side of its maker, and the name by which the other side finds it; undefined if it cannot be made
   */
  static create(folder: string, capacity: number): { lane: TensorLane; name: string } | undefined {
    const name = laneName();
    const path = join(folder, name);
    try {
      const file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
      return { lane: new TensorLane(path, file, capacity, 0), name };
    } catch {
      return undefined;
    }
  }

  /**
   * Opens a lane that another process made, and removes its name: nothing is left of it when both have ended.
   * @returns undefined if there is no such lane here, as on another machine
   */
  static open(folder: string, name: string, capacity: number): TensorLane | undefined {
    const path = lanePath(folder, name);
    if (path === undefined) return undefined;
    try {
      const file = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
      unlinkSync(path);
      return new TensorLane(path, file, capacity, 1);
    } catch {
      return undefined;
    }
  }

  /**
   * Writes a tensor, in place of the last.
   * @returns its number; undefined if it does not fit (the lane, or the memory): it has to travel in messages then
   */
  write(values: Float32Array): number | undefined {
    if (this.#closed || values.length > this.#capacity) return undefined;
    const bytes = bytesOf(values);
    const number = this.#written + 1;
    const started = performance.now();
    try {
      for (let at = 0; at < bytes.length; ) {
        at += writeSync(this.#file, bytes, at, bytes.length - at, this.#mine + numberBytes + at);
      }
      writeSync(this.#file, BigUint64Array.of(BigInt(number)), 0, 8, this.#mine);
    } catch {
      // The memory is full: tensors of this size go another way.
      return undefined;
    }
    this.#written = number;
    this.#given.add(bytes.length, started);
    return number;
  }

  /**
   * Reads a tensor of the other side.
   * @returns memory of the lane's own, valid until the next call
   * @throws RetryableError if it is not there
   */
  read(number: number, length: number): Float32Array {
    if (this.#closed || length > this.#capacity) {
      throw new RetryableError(`a lane for ${this.#capacity} numbers was asked for ${length}, or is closed`);
    }
    if (!this.#received || this.#received.length < length) this.#received = new Float32Array(length);
    const values = this.#received.subarray(0, length);
    const bytes = bytesOf(values);
    const started = performance.now();
    for (let at = 0; at < bytes.length; ) {
      const count = readSync(this.#file, bytes, at, bytes.length - at, this.#theirs + numberBytes + at);
      if (count === 0) throw new RetryableError(`a lane ended after ${at} of ${bytes.length} bytes`);
      at += count;
    }
    const found = new BigUint64Array(1);
    readSync(this.#file, found, 0, 8, this.#theirs);
    if (found[0] !== BigInt(number)) {
      throw new RetryableError(`a lane held tensor ${found[0]} where ${number} was due`);
    }
    this.#taken.add(bytes.length, started);
    return values;
  }

  /** Lets go of the memory. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#file);
    try {
      unlinkSync(this.#path);
    } catch {
      // The other side has removed the name already.
    }
  }
}
