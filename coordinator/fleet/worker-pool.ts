/**
 * The workers of a fleet as those who spend them see them. Members come and go, and may have different models; whoever needs
 * one names the model and waits for a place.
 *
 * Invariants:
 * 1. A member is leased to whole pictures, as many as fill its network calls, or to one cut chain, never to both.
 * 2. Leases of one model are given out in the order in which they are asked for; models do not wait for each other.
 * 3. A member that drains is leased no more; what it holds goes on. A lost member fails what it holds with RetryableError.
 * 4. Releasing a lease more than once, or after its member was lost, does no harm.
 */
import type { BatchLimits } from "../../shared/chain/batch-limits.js";
import type { NetworkCard } from "../../shared/chain/network-card.js";
import type { SliceHost } from "../../shared/chain/slice-host.js";
import type { CostPoint } from "../../shared/fleet/cost-point.js";
import type { PictureSize } from "../../shared/operators/task.js";
import type { WorkerChannel } from "../wire/worker-channel.js";

/**
 * - `serving`: takes whatever it is given.
 * - `draining`: finishes the whole pictures it has, and takes nothing new.
 */
export type MemberState = "serving" | "draining";

/** What is known of a member. */
export interface MemberDescription {
  /** Unique among the members. */
  readonly name: string;
  readonly state: MemberState;
  /** Where its gRPC server is reached, HOST:PORT. */
  readonly address: string;
  /** `cpu` or `cuda:N`. */
  readonly device: string;
  readonly threads: number;
  readonly pid: number;
  /** Version of deqfleet. */
  readonly version: string;
  /** The model it has loaded; `hash` is what a {@link PictureRequest} names. */
  readonly network: NetworkCard;
  /** Limits of the network calls that its whole pictures share. */
  readonly batch: BatchLimits;
  /** Seconds of network calls by batch and size, as the worker measured them; empty until it has. */
  readonly costs: readonly CostPoint[];
  /** Whole pictures and slices that this coordinator has leased on it. */
  readonly holds: { readonly pictures: number; readonly slices: number };
  readonly joinedAt: Date;
}

/** A place for one whole picture. */
export interface PictureRequest {
  /** SHA-256 of the model file, hex. */
  readonly model: string;
  /**
   * Size of the chain's canvas: small pictures share a network call. Left out: as many pictures of it are assumed to fit as
   * the worker's limit of pictures allows.
   */
  readonly size?: PictureSize | undefined;
  /** Whether nothing else may run on that worker meanwhile. */
  readonly alone: boolean;
  /** Ends the wait. */
  readonly signal: AbortSignal;
}

/** A place on a worker. */
export interface WorkerLease {
  /** Name of the worker. */
  readonly worker: string;
  readonly channel: WorkerChannel;
  /** The worker as a host of one slice: `solveSerial(chain, lease.host, 0, signal)`. */
  readonly host: SliceHost;
  /** Aborts, with a RetryableError as its reason, when the worker is lost; its calls fail then. */
  readonly lost: AbortSignal;
  /** Whether the worker is told to stop: what fails on it now, or failed with its loss, may have failed for that. */
  readonly draining: () => boolean;
  readonly release: () => void;
}

/** Workers for one cut chain. */
export interface GroupRequest {
  /** SHA-256 of the model file, hex. */
  readonly model: string;
  /** Slices wanted, 1 or more; fewer are given where the model has fewer members. */
  readonly slices: number;
  /** Ends the wait. */
  readonly signal: AbortSignal;
}

/** Workers leased to one cut chain, each for itself. */
export interface SliceGroup {
  /**
   * One slice a worker. A slice whose worker was lost, or drains, is opened again on a member of the model that has nothing to
   * do; if there is none, on the member of the group with the fewest slices.
   */
  readonly host: SliceHost;
  /** Names of the workers in the group now. */
  workers(): readonly string[];
  readonly release: () => void;
}

/** See the invariants above. */
export interface WorkerPool {
  /** Waits for a place for a whole picture. @throws the signal's reason when it aborts */
  acquire(request: PictureRequest): Promise<WorkerLease>;
  /**
   * Waits until the members it gets have nothing else to do: `slices` of them, or all of the model where there are fewer.
   * @throws the signal's reason when it aborts
   */
  acquireGroup(request: GroupRequest): Promise<SliceGroup>;
  /** Whole pictures of a model that could begin now; 0 for a model nobody has. */
  capacity(model: string): number;
  members(): readonly MemberDescription[];
  /**
   * Called after every change: a member joined, left or drains, or a lease began or ended.
   * @returns unsubscribes
   */
  onChange(listener: () => void): () => void;
}
