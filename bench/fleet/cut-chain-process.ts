/**
 * A chain cut into slices, as coordinator/solver solves it: rounds in lock-step, only those states evaluated that
 * the trace evaluates, resting slices not asked, one tensor up and one down per slice and round, lost slices opened again one after the other.
 *
 * Its convergence is a recorded trace. A lost slice takes the chain `setback` rounds of that trace back; and what it held
 * as final is final no more, so that the states from there on are evaluated again.
 */
import { cutChain, type StepRange } from "../../coordinator/solver/cut-chain.js";
import type { FleetModel } from "./fleet-model.js";
import type { SimulatedCoordinator } from "./simulated-coordinator.js";
import type { SimulatedWorker } from "./simulated-worker.js";
import type { Process, Simulation } from "./simulation.js";
import type { Trace } from "./trace.js";

/** As the solver has it: what a chain survives, and how often a slice is tried to be opened. */
const maxLosses = 8;
const openAttempts = 4;

/** What a chain runs on. */
export interface ChainParts {
  readonly simulation: Simulation;
  readonly model: FleetModel;
  readonly coordinator: SimulatedCoordinator;
  /** One a slice. */
  readonly workers: readonly SimulatedWorker[];
}

/** How a chain ended. */
export interface ChainEnd {
  /** False if too many slices were lost: the picture is to be tried again. */
  readonly solved: boolean;
  readonly losses: number;
}

/** One attempt at one chain. */
export class CutChainProcess {
  readonly #parts: ChainParts;
  readonly #trace: Trace;
  readonly #ranges: readonly StepRange[];
  /** In which life of its worker each slice was opened. */
  readonly #lives: number[] = [];
  /** Rounds of the trace that lie behind, on the way to convergence. */
  #progress = 0;
  /** Rounds of the trace whose final states are final: as many, but for losses. */
  #settled = 0;
  #losses = 0;

  constructor(parts: ChainParts, trace: Trace) {
    this.#parts = parts;
    this.#trace = trace;
    this.#ranges = cutChain(trace.steps, parts.workers.length);
  }

  /** From opening the slices to the picture. */
  *run(): Process<ChainEnd> {
    const { simulation } = this.#parts;
    const opened = yield* simulation.all(this.#ranges.map((_, index) => this.#open(index, 1)));
    let solved = opened.every((ok) => ok);
    for (let first = true; solved && this.#progress < this.#trace.done.length; first = false) {
      solved = yield* this.#round(first);
    }
    if (solved) solved = yield* this.#finish();
    return { solved, losses: this.#losses };
  }

  /** States that are final. */
  #done(): number {
    const { done } = this.#trace;
    return done[Math.min(this.#settled, done.length) - 1] ?? 0;
  }

  /** The states that the next round evaluates, [begin, end). */
  #evaluated(): StepRange {
    const { done, evaluated } = this.#trace;
    const end = (done[this.#progress - 1] ?? 0) + evaluated[this.#progress];
    return { begin: this.#done(), end };
  }

  /** Opens a slice with so many tensors. @returns false if its worker dies again and again */
  *#open(index: number, tensors: number): Process<boolean> {
    const { coordinator, workers } = this.#parts;
    for (let attempt = 1; attempt <= openAttempts; attempt++) {
      const life = yield* workers[index].ready();
      yield* coordinator.open(tensors);
      this.#lives[index] = life;
      if (workers[index].holds(life)) return true;
    }
    return false;
  }

  *#round(first: boolean): Process<boolean> {
    const { simulation, model } = this.#parts;
    const window = this.#evaluated();
    const done = window.begin;
    // A slice whose exit state has just become final corrects it once more; those before it rest.
    const busy = [...this.#ranges.keys()].filter((index) => first || done <= this.#ranges[index].end);
    const alive = yield* simulation.all(busy.map((index) => this.#exchange(index, window, first)));
    const lost = new Set(busy.filter((_, i) => !alive[i]));
    if (lost.size > 0) {
      const { begin } = this.#ranges[Math.min(...lost)];
      this.#settled = this.#trace.done.filter(
        (final, round) => round < this.#settled && final <= begin,
      ).length;
      this.#progress = Math.max(0, this.#progress - model.failures.setback);
    }
    this.#progress++;
    this.#settled++;
    this.#losses += lost.size;
    if (this.#losses > maxLosses) return false;
    for (const index of lost) {
      lost.delete(index);
      if (!(yield* this.#reseed(index, lost.has(index + 1)))) return false;
    }
    return true;
  }

  /** One slice's part of a round. @returns false if it was lost */
  *#exchange(index: number, window: StepRange, first: boolean): Process<boolean> {
    const { coordinator, workers } = this.#parts;
    const { begin, end } = this.#ranges[index];
    const [worker, life] = [workers[index], this.#lives[index]];
    if (!worker.holds(life)) return false;
    // Only an entry state that is not final is corrected; the first slice's, z_0, always is.
    yield* coordinator.send(!first && index > 0 && window.begin <= begin ? 1 : 0);
    const states = Math.max(0, Math.min(end, window.end) - Math.max(begin, window.begin));
    if (!(yield* worker.evaluate(states, life))) return false;
    yield* coordinator.receive(this.#exitTensors(index, states));
    return true;
  }

  /** A slice reports the correction of its exit state; that of the last is the picture, which waits for the end. */
  #exitTensors(index: number, states: number): number {
    return states > 0 && index < this.#ranges.length - 1 ? 1 : 0;
  }

  /** Opens a lost slice from the boundary states of its neighbours and evaluates all of it. */
  *#reseed(index: number, nextIsLost: boolean): Process<boolean> {
    const { simulation, coordinator, workers, model } = this.#parts;
    const { begin, end } = this.#ranges[index];
    for (let attempt = 1; attempt <= openAttempts; attempt++) {
      const seeds = [index > 0, index + 1 < this.#ranges.length && !nextIsLost].filter((given) => given);
      for (const _ of seeds) yield* coordinator.readState();
      if (!(yield* this.#open(index, 1 + seeds.length))) return false;
      yield simulation.now + model.failures.reseed;
      yield* coordinator.send(0);
      if (yield* workers[index].evaluate(end - begin, this.#lives[index])) {
        yield* coordinator.receive(this.#exitTensors(index, end - begin));
        return true;
      }
    }
    return false;
  }

  /** The last slice corrects its states once more and hands the picture over. @returns false if it was lost */
  *#finish(): Process<boolean> {
    const { coordinator, workers } = this.#parts;
    const last = this.#ranges.length - 1;
    yield* coordinator.send(last > 0 && this.#done() <= this.#ranges[last].begin ? 1 : 0);
    yield* coordinator.receive(0);
    yield* coordinator.readState();
    if (workers[last].holds(this.#lives[last])) return true;
    this.#losses++;
    return false;
  }
}
