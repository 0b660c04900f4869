/**
 * The coordinator as the bottleneck it can be: one thread, and one link that all tensors of all chains pass.
 *
 * A tensor occupies the coordinator's link for its length, and reaches the other end after the latency and whatever a
 * slower link of the worker adds.
 */
import type { FleetModel } from "./fleet-model.js";
import { type Process, Queue, type Simulation } from "./simulation.js";

export class SimulatedCoordinator {
  readonly thread = new Queue();
  readonly #out = new Queue();
  readonly #in = new Queue();
  readonly #simulation: Simulation;
  readonly #model: FleetModel;
  /** Pictures that wait for the one that is being prepared. */
  readonly #pictures: (() => void)[] = [];
  #preparing = false;

  constructor(simulation: Simulation, model: FleetModel) {
    this.#simulation = simulation;
    this.#model = model;
  }

  #handling(tensors: number): number {
    const { perMessage, perTensor } = this.#model.coordinator;
    return perMessage + tensors * perTensor;
  }

  /** Seconds on the coordinator's link, and those that follow on the way to or from the worker. */
  #transfer(tensors: number): { readonly link: number; readonly way: number } {
    const { latency, bandwidth, coordinatorBandwidth } = this.#model.network;
    const bytes = tensors * this.#model.tensorBytes;
    const link = bytes / coordinatorBandwidth;
    return { link, way: latency + Math.max(0, bytes / bandwidth - link) };
  }

  /** A command with so many tensors, until the worker has it. */
  *send(tensors: number): Process {
    const encoded = this.thread.serve(this.#simulation.now, this.#handling(tensors));
    const { link, way } = this.#transfer(tensors);
    yield this.#out.serve(encoded, link) + way;
  }

  /** A report with so many tensors, from the worker's sending it until the coordinator has taken it in. */
  *receive(tensors: number): Process {
    const { link, way } = this.#transfer(tensors);
    yield this.#simulation.now + way;
    yield this.#in.serve(this.#simulation.now, link);
    yield this.thread.serve(this.#simulation.now, this.#handling(tensors));
  }

  /** Opening a slice: the worker is called, calls back, receives the slice's tensors, and says that it has them. */
  *open(tensors: number): Process {
    yield* this.send(0);
    yield* this.receive(0);
    yield* this.send(tensors);
    yield* this.receive(0);
  }

  /** Reading a state of a slice. */
  *readState(): Process {
    yield* this.send(0);
    yield* this.receive(1);
  }

  /** Handing a picture out to a worker that does all of the rest. */
  *handOut(): Process {
    yield this.thread.serve(this.#simulation.now, this.#model.coordinator.perItem);
    yield this.#simulation.now + this.#model.network.latency;
  }

  /** Hearing what became of it. */
  *hear(): Process {
    yield this.#simulation.now + this.#model.network.latency;
  }

  /**
   * The work around a picture's chain. Pictures come to the thread one after the other, as decoders hand them over, so that
   * messages wait for one of them at most and not for a queue of them.
   */
  *preparePicture(): Process {
    if (this.#preparing) yield (resume) => this.#pictures.push(resume);
    this.#preparing = true;
    yield this.thread.serve(this.#simulation.now, this.#model.coordinator.perPicture);
    this.#preparing = false;
    this.#pictures.shift()?.();
  }
}
