/** The main thread's end of the engine thread. */
import { fileURLToPath } from "node:url";
import { MessageChannel, Worker } from "node:worker_threads";
import type { NetworkCard } from "../shared/chain/network-card.js";
import { FatalError, RetryableError } from "../shared/errors.js";
import type { CostPoint } from "../shared/fleet/cost-point.js";
import { declineRuntimeTelemetry } from "../shared/onnx/decline-telemetry.js";
import type { Device } from "../shared/onnx/session.js";
import { packageRoot } from "../shared/package-root.js";
import { decodeFailure } from "../shared/wire/failure-codec.js";
import type { WireTotal } from "../shared/wire/wire-traffic.js";
import {
  type EngineConnection,
  type EngineMemory,
  type EngineMessage,
  type EngineOptions,
  type EngineResults,
  type EngineTask,
  type EngineTrouble,
  endEngine,
} from "./engine/engine-protocol.js";
import type { CallTotals } from "./engine/measured-network.js";
import type { Engine } from "./engine.js";
import { PictureThread } from "./picture-thread.js";

/** The engine always runs as built: a thread is started from a file. */
const threadEntry = fileURLToPath(new URL("dist/worker/engine/thread-main.js", packageRoot));

interface Waiting {
  resolve(result: EngineResults[keyof EngineResults]): void;
  reject(error: Error): void;
}

/** An engine thread with its network loaded. */
export class EngineThread implements Engine {
  readonly card: NetworkCard;
  readonly threads: number;
  readonly device: Device;
  readonly #costs = new Map<string, CostPoint>();
  readonly #thread: Worker;
  readonly #batch: EngineOptions["batch"];
  readonly #waiting = new Map<number, Waiting>();
  /** Started when the first whole picture is asked for: cut chains do without. */
  #pictures: PictureThread | undefined;
  #nextId = 0;
  /** Why the thread ended; undefined while it lives. */
  #ended: RetryableError | undefined;
  #announceEnd: () => void = () => {};
  /** Resolves when the thread has ended, for whatever reason. */
  readonly ended = new Promise<void>((resolve) => {
    this.#announceEnd = resolve;
  });

  private constructor(thread: Worker, card: NetworkCard, { threads, batch, device = "cpu" }: EngineOptions) {
    this.#thread = thread;
    this.card = card;
    this.threads = threads;
    this.#batch = batch;
    this.device = device;
    thread.on("message", (message: EngineMessage) => this.#settle(message));
    thread.on("error", (error) => this.#abandon(error));
    thread.on("exit", () => this.#abandon(new Error("it exited")));
  }

  /**
   * Starts the thread and loads the network.
   * @throws InputError if the model cannot be used
   */
  static start(options: EngineOptions): Promise<EngineThread> {
    declineRuntimeTelemetry();
    const thread = new Worker(threadEntry, { workerData: options });
    return new Promise((resolve, reject) => {
      const endedEarly = (code: number) =>
        reject(
          new FatalError(`the engine thread ended with code ${code} while it loaded ${options.modelPath}`),
        );
      thread.once("error", reject);
      thread.once("exit", endedEarly);
      thread.once("message", (message: EngineMessage) => {
        thread.off("error", reject);
        thread.off("exit", endedEarly);
        if (message.type === "ready") resolve(new EngineThread(thread, message.card, options));
        else
          reject(
            message.type === "unusable"
              ? decodeFailure(message.failure)
              : new Error("the engine spoke out of turn"),
          );
      });
    });
  }

  /** Told of what it goes on with, but not as it should. */
  onTrouble: (trouble: EngineTrouble) => void = () => {};
  /** What all network calls took, by batch. */
  totals: readonly CallTotals[] = [];
  memory: EngineMemory = { buffers: 0, heap: 0 };
  /** What passed by lanes and their sockets, which end in the engine's thread. */
  wire: readonly WireTotal[] = [];

  /** What network calls have cost so far; a point that changes is replaced by another object. */
  get costs(): readonly CostPoint[] {
    return [...this.#costs.values()];
  }

  /** Does one task. Buffers listed in `transfer` are gone afterwards. */
  perform<Kind extends EngineTask["kind"]>(
    task: Extract<EngineTask, { kind: Kind }>,
    transfer: readonly ArrayBufferLike[] = [],
  ): Promise<EngineResults[Kind]> {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      // The engine answers a task of kind K with a result of kind K.
      this.#waiting.set(id, { resolve: (result) => resolve(result as EngineResults[Kind]), reject });
      this.#thread.postMessage({ id, task }, transfer as ArrayBuffer[]);
    });
  }

  pictures(): PictureThread {
    // One that ended (out of memory) is followed by another; its pictures have failed.
    if (!this.#pictures || this.#pictures.ended) {
      const { port1, port2 } = new MessageChannel();
      this.#thread.postMessage({ chains: port1 } satisfies EngineConnection, [port1]);
      this.#pictures = new PictureThread({ network: this.card, batch: this.#batch, engine: port2 });
    }
    return this.#pictures;
  }

  #settle(message: EngineMessage): void {
    if (message.type === "costs") {
      this.totals = message.totals;
      this.memory = message.memory;
      this.wire = message.wire;
      for (const point of message.points) {
        this.#costs.set(`${point.batch} ${point.height}x${point.width}`, point);
      }
    }
    if (message.type === "trouble") this.onTrouble(message.trouble);
    if (message.type !== "done" && message.type !== "failed") return;
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.type === "done") waiting?.resolve(message.result);
    else waiting?.reject(decodeFailure(message.failure));
  }

  #abandon(cause: Error): void {
    this.#ended ??= new RetryableError(`the engine thread ended: ${cause.message}`, { cause });
    for (const waiting of this.#waiting.values()) waiting.reject(this.#ended);
    this.#waiting.clear();
    this.#announceEnd();
  }

  /**
   * Ends the thread; a run under way is finished first. The thread ends itself, between two runs: terminated from outside in
   * the middle of one, the runtime aborts the process.
   */
  async close(): Promise<void> {
    this.#thread.postMessage(endEngine);
    await Promise.all([this.ended, this.#pictures?.close()]);
  }
}
