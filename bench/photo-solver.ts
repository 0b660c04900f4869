/** Solves the chains of photographs in this thread, with any number of slices, and remembers the serial pictures. */
import type { BorderPolicy } from "../coordinator/solver/border-watch.js";
import { PrefixScan } from "../coordinator/solver/prefix-scan.js";
import {
  type RoundProgress,
  type Solution,
  type SolveSettings,
  solveSerial,
  solveTimeParallel,
} from "../coordinator/solver/solve-chain.js";
import type { MethodName } from "../shared/chain/method.js";
import type { SliceHost } from "../shared/chain/slice-host.js";
import type { TaskSettings } from "../shared/operators/task.js";
import { OnnxNetwork } from "../worker/engine/network.js";
import { SliceEngine } from "../worker/engine/slice-engine.js";
import { InProcessHost } from "../worker/in-process-host.js";
import { type MeasuredPhoto, measurePhoto, type PhotoName, photoChain } from "./photo-chain.js";

/** Which photograph is restored, and how. */
export interface PhotoChainSettings {
  readonly photo: PhotoName;
  readonly size: number;
  readonly task: TaskSettings;
  readonly method: MethodName;
  readonly steps: number;
  /** Of the noise the chain starts from; default 0. */
  readonly seed?: number;
}

/** A network on one thread, with what chains need beside it. */
export class PhotoSolver {
  readonly #network: OnnxNetwork;
  readonly #engine: SliceEngine;
  readonly #scan: PrefixScan;
  readonly #signal = new AbortController().signal;
  readonly #measured = new Map<string, Promise<MeasuredPhoto>>();
  readonly #serialPictures = new Map<string, Float32Array>();

  private constructor(network: OnnxNetwork, scan: PrefixScan) {
    this.#network = network;
    this.#engine = new SliceEngine(network, { threads: 1 });
    this.#scan = scan;
  }

  /** @throws InputError if the model cannot be loaded */
  static async load(modelPath: string): Promise<PhotoSolver> {
    return new PhotoSolver(await OnnxNetwork.load(modelPath, { threads: 1 }), new PrefixScan());
  }

  /** A host of `width` slices. */
  host(width: number): SliceHost {
    return new InProcessHost(this.#engine, width);
  }

  /** The serial picture, [3, size, size], computed once: the method has no part in it. */
  async serialPicture(settings: PhotoChainSettings): Promise<Float32Array> {
    const { photo, size, task, steps, seed } = settings;
    const key = JSON.stringify([photo, size, task, steps, seed]);
    const known = this.#serialPictures.get(key);
    if (known) return known;
    const { picture } = await this.serial(settings, this.host(1), 0);
    this.#serialPictures.set(key, picture);
    return picture;
  }

  /** The whole chain on the host's worker number `index`. */
  async serial(settings: PhotoChainSettings, host: SliceHost, index: number): Promise<Solution> {
    const chain = photoChain(await this.#measure(settings), settings.method, settings.steps, settings.seed);
    return solveSerial(chain, host, index, this.#signal);
  }

  /** The chain cut over the host's slices. */
  async timeParallel(
    settings: PhotoChainSettings,
    stop: SolveSettings,
    host: SliceHost,
    onRound?: (progress: RoundProgress) => void,
    borders?: BorderPolicy,
  ): Promise<Solution> {
    const measured = await this.#measure(settings);
    const { operator } = measured;
    const chain = photoChain(measured, settings.method, settings.steps, settings.seed);
    return solveTimeParallel(
      chain,
      stop,
      { host, scan: this.#scan, operator, borders },
      this.#signal,
      onRound,
    );
  }

  #measure({ photo, size, task }: PhotoChainSettings): Promise<MeasuredPhoto> {
    const key = JSON.stringify([photo, size, task]);
    const measuring = this.#measured.get(key) ?? measurePhoto(photo, size, task);
    this.#measured.set(key, measuring);
    return measuring;
  }

  /** Frees the native sessions. */
  async release(): Promise<void> {
    await this.#network.release();
    await this.#scan.release();
  }
}
