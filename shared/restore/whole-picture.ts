/** A picture that one worker restores from store to store: what it is told, and what it answers. */
import type { Restoration } from "../jobs/job.js";
import type { PictureSize } from "../operators/task.js";
import type { TimedPart } from "../telemetry/timed-parts.js";

/** Where an object lies. */
export interface Location {
  /** URI of its store; null: the key is the absolute path of a file on the machine of coordinator and worker. */
  readonly store: string | null;
  readonly key: string;
}

/** An inpainting mask. */
export interface StoredMask {
  readonly location: Location;
  /** Of the file, hex. Workers keep masks by it. */
  readonly sha256: string;
}

/** What to restore, and how. */
export interface WholePicture {
  /** Identifies the picture in its dataset, and by it the noise its chain starts from. */
  readonly pictureId: string;
  readonly restoration: Restoration;
  readonly input: Location;
  /** Its extension decides the format. */
  readonly output: Location;
  /** Where a simulation leaves what it measured; undefined: nowhere. */
  readonly measurement: Location | undefined;
  /** undefined unless the task is `inpaint`. */
  readonly mask: StoredMask | undefined;
  /** The job it belongs to, for logs. */
  readonly job?: string | undefined;
}

/** What is known of a restored picture. */
export interface PictureJudgement {
  /** ||A x - y|| / ||y|| on the canvas, before rounding; null if y is zero and A x is not. */
  readonly consistency: number | null;
  /** dB; null without an original, and for equal pictures. */
  readonly psnr: number | null;
  readonly ssim: number | null;
}

/** A picture whose output is complete, durable and visible. */
export interface RestoredWhole extends PictureJudgement {
  /** Of the output, hex. */
  readonly sha256: string;
  /** Network evaluations: T. */
  readonly evaluations: number;
  /** Size its chain ran at. */
  readonly canvas: PictureSize;
  readonly seconds: {
    /** In the network, other pictures' states in the same calls included. */
    readonly network: number;
    /** On the worker, from the request to the answer. */
    readonly total: number;
  };
}

/** A restored picture with what its worker knows besides. */
export interface RestoredHere {
  readonly restored: RestoredWhole;
  /** What took how long, in the order in which it ended: read, decode, evaluate, encode, write. */
  readonly parts: readonly TimedPart[];
}
