/** A worker: evaluates one batch after the other, is slow at times, dies at times and is started again. */
import type { FleetModel } from "./fleet-model.js";
import type { Process, Simulation } from "./simulation.js";
import { UniformStream } from "./uniform-stream.js";

const stragglerSubject = 0;
const failureSubject = 1;

export class SimulatedWorker {
  /** Seconds spent on batches, those cut short by its death included. */
  busySeconds = 0;
  /** States evaluated, or begun to be. */
  evaluations = 0;
  readonly #simulation: Simulation;
  readonly #model: FleetModel;
  readonly #slowness: UniformStream;
  readonly #deaths: UniformStream;
  #life = 0;
  #upAt = 0;
  #diesAt: number;

  constructor(simulation: Simulation, model: FleetModel, index: number) {
    this.#simulation = simulation;
    this.#model = model;
    this.#slowness = new UniformStream(model.seed, stragglerSubject, index);
    this.#deaths = new UniformStream(model.seed, failureSubject, index);
    this.#diesAt = this.#lifetime();
  }

  #lifetime(): number {
    const { perWorkerHour } = this.#model.failures;
    return perWorkerHour === 0 ? Number.POSITIVE_INFINITY : this.#deaths.exponential(3600 / perWorkerHour);
  }

  /** Lets die, and come back, whatever has by now. */
  #live(): void {
    while (this.#diesAt <= this.#simulation.now) {
      this.#life++;
      this.#upAt = this.#diesAt + this.#model.failures.restart;
      this.#diesAt = this.#upAt + this.#lifetime();
    }
  }

  /** Waits until the worker can be asked. @returns its life; what is opened now is lost with it */
  *ready(): Process<number> {
    this.#live();
    while (this.#upAt > this.#simulation.now) {
      yield this.#upAt;
      this.#live();
    }
    return this.#life;
  }

  /** Whether what was opened in this life is still there. */
  holds(life: number): boolean {
    this.#live();
    return life === this.#life;
  }

  /**
   * One call of the network. 0 states cost nothing.
   * @returns false if the worker is in a later life than `life`, or died meanwhile
   */
  *evaluate(states: number, life: number): Process<boolean> {
    if (!this.holds(life)) return false;
    if (states === 0) return true;
    const { cost, stragglers } = this.#model;
    const slow = stragglers.share > 0 && this.#slowness.next() < stragglers.share;
    const begin = this.#simulation.now;
    const end = Math.min(begin + cost(states) * (slow ? stragglers.factor : 1), this.#diesAt);
    this.evaluations += states;
    yield end;
    this.busySeconds += end - begin;
    return this.holds(life);
  }
}
