/**
 * Whole chains on one worker: it holds up to `batch` of them, each at its own timestep, and takes one step of all in one
 * call of the network. A chain that has ended makes room for the next at once; the others do not wait for it.
 */
import type { SimulatedCoordinator } from "./simulated-coordinator.js";
import type { SimulatedWorker } from "./simulated-worker.js";
import type { Process, Simulation } from "./simulation.js";

/** A chain in the batch. */
interface HeldChain {
  readonly life: number;
  stepsLeft: number;
  readonly ended: (solved: boolean) => void;
}

/** The batch of one worker. */
export class WholeChains {
  readonly #simulation: Simulation;
  readonly #coordinator: SimulatedCoordinator;
  readonly #worker: SimulatedWorker;
  readonly #files: "worker" | "coordinator";
  #held: HeldChain[] = [];
  #working = false;

  /** @param files who reads and writes them: through the coordinator chains pass with their tensors */
  constructor(
    simulation: Simulation,
    coordinator: SimulatedCoordinator,
    worker: SimulatedWorker,
    files: "worker" | "coordinator",
  ) {
    this.#files = files;
    this.#simulation = simulation;
    this.#coordinator = coordinator;
    this.#worker = worker;
  }

  /** One chain, from opening it to the picture. @returns false if the worker died */
  *run(steps: number): Process<boolean> {
    const life = yield* this.#worker.ready();
    if (this.#files === "worker") yield* this.#coordinator.handOut();
    else {
      yield* this.#coordinator.open(1);
      yield* this.#coordinator.send(0);
    }
    let solved = false;
    yield (resume) => {
      const ended = (ok: boolean) => {
        solved = ok;
        resume();
      };
      this.#held.push({ life, stepsLeft: steps, ended });
      if (!this.#working) this.#simulation.start(this.#work());
    };
    if (solved) yield* this.#files === "worker" ? this.#coordinator.hear() : this.#coordinator.receive(1);
    return solved;
  }

  /** Steps, for as long as there are chains; those that come meanwhile join at the next step. */
  *#work(): Process {
    this.#working = true;
    while (this.#held.length > 0) {
      const lost = this.#held.filter(({ life }) => !this.#worker.holds(life));
      this.#leave(lost, false);
      const [batch, life] = [[...this.#held], this.#held[0]?.life];
      if (life === undefined) break;
      const alive = yield* this.#worker.evaluate(batch.length, life);
      for (const chain of batch) chain.stepsLeft--;
      this.#leave(alive ? batch.filter(({ stepsLeft }) => stepsLeft === 0) : batch, alive);
    }
    this.#working = false;
  }

  #leave(chains: readonly HeldChain[], solved: boolean): void {
    if (chains.length === 0) return;
    this.#held = this.#held.filter((chain) => !chains.includes(chain));
    for (const { ended } of chains) ended(solved);
  }
}
