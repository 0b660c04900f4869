/**
 * A worker that takes a set time and no processor: the real server, the real slices and a network that sleeps. As many
 * of them as one likes work side by side on any machine.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { NetworkCard } from "../shared/chain/network-card.js";
import type { Slice } from "../shared/chain/slice-host.js";
import { LocatedFiles } from "../shared/restore/located-files.js";
import { openStore } from "../shared/storage/open-store.js";
import { splitNumbers } from "../shared/wire/moved-codec.js";
import type { EngineResults, EngineTask } from "../worker/engine/engine-protocol.js";
import { MeasuredNetwork, measureCalls } from "../worker/engine/measured-network.js";
import type { NoiseEstimator } from "../worker/engine/network.js";
import { SliceEngine } from "../worker/engine/slice-engine.js";
import type { Engine } from "../worker/engine.js";
import { WholePictures } from "../worker/pictures/whole-pictures.js";

/** eps = tanh(x), which every round has to correct anew, after a sleep. */
export class SleepingNetwork implements NoiseEstimator {
  readonly card: NetworkCard = { hash: "sleeping", sizeMultiple: 1, fixedSize: undefined };
  readonly #seconds: (batch: number) => number;

  /** @param seconds what a batch takes */
  constructor(seconds: (batch: number) => number) {
    this.#seconds = seconds;
  }

  async evaluate(
    x: Float32Array,
    timesteps: readonly number[],
    _size: unknown,
    out: Float32Array,
  ): Promise<void> {
    await sleep(1000 * this.#seconds(timesteps.length));
    for (let i = 0; i < x.length; i++) out[i] = Math.tanh(x[i]);
  }
}

/** Does the tasks of the engine thread in this thread, one after the other; has no lanes. */
export class SleepingEngine implements Engine {
  readonly card: NetworkCard;
  readonly threads = 1;
  readonly device = "none";
  /** Never: nothing can happen to it. */
  readonly ended = new Promise<void>(() => {});
  readonly #engine: SliceEngine;
  readonly #network: MeasuredNetwork;
  readonly #slices = new Map<number, Slice>();
  #pictures: WholePictures | undefined;
  readonly #signal = new AbortController().signal;
  #last: Promise<unknown> = Promise.resolve();

  constructor(network: NoiseEstimator) {
    this.card = network.card;
    this.#network = new MeasuredNetwork(network);
    this.#engine = new SliceEngine(this.#network, { threads: 1 });
  }

  perform<Kind extends EngineTask["kind"]>(
    task: Extract<EngineTask, { kind: Kind }>,
  ): Promise<EngineResults[Kind]> {
    const result = this.#last.then(() => this.#do(task));
    this.#last = result.catch(() => {});
    return result as Promise<EngineResults[Kind]>;
  }

  async #do(task: EngineTask): Promise<EngineResults[keyof EngineResults]> {
    if (task.kind === "measure") {
      await measureCalls(this.#network, task.seconds, undefined, task.size);
      return this.#network.costsOf(task.size);
    }
    if (task.kind === "open") {
      this.#slices.set(task.slice, await this.#engine.open(task.spec));
      return false;
    }
    // It has no sockets.
    if (task.kind === "drain") return undefined;
    if (task.kind === "follow") return false;
    const slice = this.#slices.get(task.slice);
    if (!slice) throw new Error(`slice ${task.slice} is not open`);
    switch (task.kind) {
      case "round": {
        const { correction, ...command } = task.command;
        if (correction && !(correction instanceof Float32Array)) throw new Error("there are no lanes here");
        const report = await slice.round({ ...command, correction }, this.#signal);
        return { ...report, exit: report.exit?.slice() };
      }
      case "serial":
        return slice.serial(this.#signal);
      case "read":
        return slice.readState(task.which, this.#signal);
      case "give": {
        const { numbers, ...given } = await slice.give(task.run, this.#signal);
        return { ...given, count: numbers.length, numbers };
      }
      case "recut": {
        const { taken, numbers, ...range } = task.recut;
        if (numbers && !(numbers instanceof Float32Array)) throw new Error("there are no lanes here");
        return slice
          .recut({ ...range, taken: splitNumbers(taken, numbers) }, this.#signal)
          .then(() => undefined);
      }
      case "close":
        this.#slices.delete(task.slice);
        return slice.close().then(() => undefined);
    }
  }

  pictures(): WholePictures {
    const files = new LocatedFiles(openStore);
    this.#pictures ??= new WholePictures({
      network: this.card,
      files,
      solve: (chain, signal) => this.#engine.solve(chain, signal),
    });
    return this.#pictures;
  }

  async close(): Promise<void> {}
}
