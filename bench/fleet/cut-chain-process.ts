/**
 * A chain cut into slices, as coordinator/solver solves it: rounds in lock-step, only those states evaluated that
 * the trace evaluates, resting slices not asked, one tensor up and one down per slice and round, borders moved where the solver's own
 * BorderWatch would move them, lost slices opened again one after the other.
 *
 * Its convergence is a recorded trace. A lost slice takes the chain `setback` rounds of that trace back; and what it held
 * as final is final no more, so that the states from there on are evaluated again.
 */
import { expectedRounds } from "../../coordinator/planner/expected-rounds.js";
import { BorderWatch } from "../../coordinator/solver/border-watch.js";
import { cutChain, overlap, type StepRange } from "../../coordinator/solver/cut-chain.js";
import type { BorderPlan, HeldRange } from "../../coordinator/solver/move-borders.js";
import { type MethodName, methods } from "../../shared/chain/method.js";
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

/** What a slice did in a round. */
interface Exchanged {
  /** False if it was lost. */
  readonly alive: boolean;
  readonly states: number;
  /** Seconds in the worker. */
  readonly seconds: number;
}

/** One attempt at one chain. */
export class CutChainProcess {
  readonly #parts: ChainParts;
  readonly #trace: Trace;
  readonly #borders: BorderWatch;
  /** Rounds that the solver expects; undefined where its borders do not move. */
  readonly #expected: number | undefined;
  /** The slices with states that are not final, in the chain's order. */
  #held: readonly HeldRange[];
  /** Workers whose slices have nothing left to do. */
  #idle: number[] = [];
  /** In which life of its worker each one's slice was opened. */
  readonly #lives: number[] = [];
  /** Rounds of the trace that lie behind, on the way to convergence. */
  #progress = 0;
  /** Rounds of the trace whose final states are final: as many, but for losses. */
  #settled = 0;
  #losses = 0;

  constructor(parts: ChainParts, trace: Trace) {
    const { steps, method } = trace;
    const ranges = cutChain(steps, parts.workers.length);
    this.#parts = parts;
    this.#trace = trace;
    this.#held = ranges.map((range, worker) => ({ ...range, worker }));
    this.#borders = new BorderWatch(Math.max(...ranges.map(({ begin, end }) => end - begin)));
    // Mixing would have to take its history along.
    const movable = parts.model.borders === "moving" && method in methods;
    if (movable && methods[method as MethodName].mixing === undefined)
      this.#expected = expectedRounds(steps, method as MethodName);
  }

  /** From opening the slices to the picture. */
  *run(): Process<ChainEnd> {
    const { simulation } = this.#parts;
    const opened = yield* simulation.all(this.#held.map(({ worker }) => this.#open(worker, 1)));
    let solved = opened.every((ok) => ok);
    let plan: BorderPlan | undefined;
    for (let rounds = 0; solved && this.#progress < this.#trace.done.length; rounds++) {
      const lossesBefore = this.#losses;
      solved = yield* this.#round(rounds === 0, plan);
      plan = this.#losses === lossesBefore ? this.#plan(rounds + 1) : undefined;
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
    const end = (done[this.#progress - 1] ?? 0) + (evaluated[this.#progress] ?? 0);
    return { begin: this.#done(), end };
  }

  /** Where the borders go before the next round; undefined: they stay. */
  #plan(rounds: number): BorderPlan | undefined {
    const work = this.#evaluated();
    if (this.#expected === undefined || work.end <= work.begin) return undefined;
    const left = Math.max(1, this.#expected - rounds);
    return this.#borders.plan({ held: this.#held, idle: this.#idle, work, rounds: left });
  }

  /** Opens a worker's slice with so many tensors. @returns false if the worker dies again and again */
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

  *#round(first: boolean, plan: BorderPlan | undefined): Process<boolean> {
    const { simulation, model } = this.#parts;
    const window = this.#evaluated();
    const started = simulation.now;
    const exchanged = yield* plan
      ? this.#movedRound(plan, window)
      : simulation.all(this.#held.map((range) => this.#exchange(range, window, first)));
    if (!plan) this.#observe(exchanged, simulation.now - started);
    const lost = new Set([...exchanged.keys()].filter((i) => !exchanged[i].alive));
    if (lost.size > 0) {
      const { begin } = this.#held[Math.min(...lost)];
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
    this.#rest();
    return true;
  }

  /** Tells the watch of a round in which nothing moved. */
  #observe(exchanged: readonly Exchanged[], seconds: number): void {
    const reports = exchanged.map(({ states, seconds: total }) => ({
      ...{ residuals: [], transfer: { range: 0, null: 0 }, exit: undefined, gram: [] },
      evaluations: states,
      seconds: { network: total, kernels: 0, total },
    }));
    this.#borders.observe(
      this.#held.map(({ worker }) => worker),
      reports,
      seconds,
    );
  }

  /** Slices whose exit state was final before this round have nothing left to correct. The last one holds the picture. */
  #rest(): void {
    const busy = this.#held.findIndex(({ end }, i) => this.#done() <= end || i === this.#held.length - 1);
    this.#idle.push(...this.#held.slice(0, busy).map(({ worker }) => worker));
    this.#held = this.#held.slice(busy);
  }

  /** One slice's part of a round. */
  *#exchange({ worker: index, ...range }: HeldRange, window: StepRange, first: boolean): Process<Exchanged> {
    const { coordinator, workers, simulation } = this.#parts;
    const [worker, life] = [workers[index], this.#lives[index]];
    if (!worker.holds(life)) return { alive: false, states: 0, seconds: 0 };
    // Only an entry state that is not final is corrected; the first slice's, z_0, always is.
    yield* coordinator.send(!first && range.begin > 0 && window.begin <= range.begin ? 1 : 0);
    const states = overlap(range, window);
    const begun = simulation.now;
    const alive = yield* worker.evaluate(states, life);
    const seconds = simulation.now - begun;
    if (alive) yield* coordinator.receive(this.#exitTensors(range, states));
    return { alive, states, seconds };
  }

  /** A slice reports the correction of its exit state; that of the last is the picture, which waits for the end. */
  #exitTensors({ end }: StepRange, states: number): number {
    return states > 0 && end < this.#trace.steps ? 1 : 0;
  }

  /** A round in which slices change: these are corrected, give what others lack, are cut anew, and evaluate. */
  *#movedRound(plan: BorderPlan, window: StepRange): Process<Exchanged[]> {
    const { simulation } = this.#parts;
    const before = new Map(this.#held.map((range) => [range.worker, range]));
    const stays = ({ worker, begin, end }: HeldRange) =>
      before.get(worker)?.begin === begin && before.get(worker)?.end === end;
    const changing = plan.ranges.filter((range) => !stays(range));
    const found = new Map<number, Exchanged>();
    const move = this.#move(plan, changing, before, window);
    yield* simulation.all([
      this.#exchangeAll(plan.ranges.filter(stays), window, false, found),
      this.#exchangeAll(changing, window, true, found, move),
    ]);
    this.#idle = this.#idle.filter((worker) => !plan.ranges.some((range) => range.worker === worker));
    this.#held = plan.ranges;
    return plan.ranges.map(({ worker }) => found.get(worker) as Exchanged);
  }

  /** @param found where what each worker did goes @param before what has to happen first */
  *#exchangeAll(
    ranges: readonly HeldRange[],
    window: StepRange,
    first: boolean,
    found: Map<number, Exchanged>,
    before?: Process,
  ): Process {
    if (before) yield* before;
    const ended = yield* this.#parts.simulation.all(
      ranges.map((range) => this.#exchange(range, window, first)),
    );
    for (const [i, { worker }] of ranges.entries()) found.set(worker, ended[i]);
  }

  /** Whatever changes hands goes by the coordinator, a tensor a step: the state and the little that is kept of it. */
  *#move(
    plan: BorderPlan,
    changing: readonly HeldRange[],
    before: ReadonlyMap<number, HeldRange>,
    window: StepRange,
  ): Process {
    const { simulation, coordinator } = this.#parts;
    const leading = this.#held[0];
    const present = changing.flatMap(({ worker }) => before.get(worker) ?? []);
    const nothing = { begin: 0, end: 0 };
    // Corrected first, without an evaluation.
    yield* simulation.all(
      present.map(function* (range): Process {
        yield* coordinator.send(range.begin > 0 && window.begin <= range.begin ? 1 : 0);
        yield* coordinator.receive(0);
      }),
    );
    const started = simulation.now;
    const taken = (range: HeldRange) =>
      range.end - range.begin - overlap(range, before.get(range.worker) ?? nothing);
    const given = (giver: HeldRange) =>
      changing
        .filter(({ worker }) => worker !== giver.worker)
        .map((range) => overlap(range, giver))
        .filter((steps) => steps > 0);
    yield* simulation.all(
      [...before.values()].map(function* (giver): Process {
        for (const steps of given(giver)) {
          yield* coordinator.send(0);
          yield* coordinator.receive(steps);
        }
      }),
    );
    yield* simulation.all(
      changing.map(function* (range): Process {
        yield* coordinator.send(taken(range));
        yield* coordinator.receive(0);
        const old = before.get(range.worker);
        // The first slice drops what is final of it, all but the state that it starts from.
        if (old && old === leading && range.begin > old.begin) yield* coordinator.readState();
      }),
    );
    this.#borders.observeMove(plan.moved, simulation.now - started);
  }

  /** Opens a lost slice from the boundary states of its neighbours and evaluates all of it. */
  *#reseed(index: number, nextIsLost: boolean): Process<boolean> {
    const { simulation, coordinator, workers, model } = this.#parts;
    const { worker, begin, end } = this.#held[index];
    for (let attempt = 1; attempt <= openAttempts; attempt++) {
      const seeds = [begin > 0, index + 1 < this.#held.length && !nextIsLost].filter((given) => given);
      for (const _ of seeds) yield* coordinator.readState();
      if (!(yield* this.#open(worker, 1 + seeds.length))) return false;
      yield simulation.now + model.failures.reseed;
      yield* coordinator.send(0);
      if (yield* workers[worker].evaluate(end - begin, this.#lives[worker])) {
        yield* coordinator.receive(this.#exitTensors({ begin, end }, end - begin));
        return true;
      }
    }
    return false;
  }

  /** The last slice corrects its states once more and hands the picture over. @returns false if it was lost */
  *#finish(): Process<boolean> {
    const { coordinator, workers } = this.#parts;
    const { worker, begin } = this.#held[this.#held.length - 1];
    yield* coordinator.send(begin > 0 && this.#done() <= begin ? 1 : 0);
    yield* coordinator.receive(0);
    yield* coordinator.readState();
    if (workers[worker].holds(this.#lives[worker])) return true;
    this.#losses++;
    return false;
  }
}
