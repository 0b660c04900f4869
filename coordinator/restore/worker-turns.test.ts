import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Slice, SliceHost } from "../../shared/chain/slice-host.js";
import { SleepingFleet } from "../../test/sleeping-fleet.js";
import { operatorOf, taskSamples } from "../../test/task-samples.js";
import { toyChain } from "../../test/toy-chain.js";
import { fixedBorders } from "../solver/border-watch.js";
import { PrefixScan } from "../solver/prefix-scan.js";
import { solveTimeParallel } from "../solver/solve-chain.js";
import { WorkerTurns } from "./worker-turns.js";

const never = new AbortController().signal;
const exact = { tolerance: 1e-12, maxRounds: undefined };
const spec = { chain: toyChain({ steps: 4, method: "secant" }), begin: 0, end: 1, seeds: undefined };
const command = {
  ...{ round: 1, correctFrom: undefined, evaluateFrom: 0, evaluateTo: 4, correction: undefined },
  ...{ gram: undefined, forget: false, plain: false, restart: false, correctAhead: true },
};

/** Notes which slices are opened and closed. */
class NotingHost implements SliceHost {
  readonly width = 4;
  readonly events: string[] = [];

  async open(_: unknown, index: number): Promise<Slice> {
    this.events.push(`open ${index}`);
    const report = {
      ...{ residuals: [], transfer: { range: 1, null: 1 }, exit: undefined, gram: [], evaluations: 1 },
      seconds: { network: 0, kernels: 0, total: 0 },
    };
    return {
      round: async () => report,
      serial: async () => ({ exit: new Float32Array(), evaluations: 1, seconds: report.seconds }),
      readState: async () => new Float32Array(),
      give: async (run) => ({ ...run, jacobians: [], numbers: new Float32Array() }),
      recut: async () => {},
      close: async () => {
        this.events.push(`close ${index}`);
      },
    };
  }
}

const soon = () => new Promise((resolve) => setImmediate(resolve));

describe("WorkerTurns", () => {
  it("gives a worker to the next chain as soon as it is left, and the others when the chain ends", async () => {
    const host = new NotingHost();
    const turns = new WorkerTurns(host, [2, 3]);
    const first = await turns.take();
    await Promise.all([0, 1].map(async (i) => (await first.open(spec, i, never)).round(command, never)));
    expect(host.events).toEqual(["open 2", "open 3"]);
    expect(first.next.waits()).toBe(false);
    let begun = false;
    const taking = turns.take().then((turn) => {
      begun = true;
      return turn;
    });
    await soon();
    expect(begun).toBe(false);
    expect(first.next.waits()).toBe(true);
    first.next.leave(1);
    const second = await taking;
    const slices = await Promise.all([0, 1].map((i) => second.open(spec, i, never)));
    await slices[1].round(command, never);
    let reported = false;
    const waiting = slices[0].round(command, never).then(() => {
      reported = true;
    });
    await soon();
    expect(reported).toBe(false);
    expect(host.events).toEqual(["open 2", "open 3", "open 3"]);
    // A slice that the first chain lost is replaced at once.
    await first.open(spec, 1, never);
    expect(host.events.at(-1)).toBe("open 3");
    first.end();
    await waiting;
    expect(host.events.at(-1)).toBe("open 2");
  });

  it("passes workers on that a chain in between never had", async () => {
    const host = new NotingHost();
    const turns = new WorkerTurns(host, [0, 1]);
    const first = await turns.take();
    const second = turns.take();
    first.next.leave(0);
    (await second).end();
    const third = await turns.take();
    const slice = await third.open(spec, 1, never);
    let reported = false;
    const waiting = slice.round(command, never).then(() => {
      reported = true;
    });
    await soon();
    expect(reported, "the first chain still has it").toBe(false);
    first.end();
    await waiting;
  });

  it("closes every slice that was opened, also one that is closed while it is being opened", async () => {
    const host = new NotingHost();
    const turns = new WorkerTurns(host, [2, 3]);
    const first = await turns.take();
    const slices = await Promise.all([0, 1].map((i) => first.open(spec, i, never)));
    await slices[0].round(command, never);
    await slices[0].close();
    expect(host.events).toEqual(["open 2", "open 3", "close 2"]);
    await slices[1].close();
    expect(host.events.at(-1)).toBe("close 3");
    const taking = turns.take();
    first.end();
    const early = await (await taking).open(spec, 0, never);
    await early.close();
    await soon();
    const count = (what: string) => host.events.filter((event) => event.startsWith(what)).length;
    expect(count("close")).toBe(count("open"));
  });

  it("does not open a slice that was closed while it waited", async () => {
    const host = new NotingHost();
    const turns = new WorkerTurns(host, [0]);
    const first = await turns.take();
    await first.open(spec, 0, never);
    await soon();
    const second = turns.take();
    first.end();
    const other = await second;
    const third = turns.take();
    await soon();
    other.end();
    const slice = await (await third).open(spec, 0, never);
    await slice.close();
    await soon();
    expect(host.events.filter((event) => event.startsWith("open")).length).toBeLessThanOrEqual(2);
  });
});

describe("chains that follow each other over real workers", () => {
  const scan = new PrefixScan();
  const operator = operatorOf(taskSamples[0]);
  let fleet: SleepingFleet;
  beforeAll(async () => {
    fleet = await SleepingFleet.start(4, (batch) => 0.02 * batch);
  });
  afterAll(async () => {
    await fleet.close();
    await scan.release();
  });

  it("overlap where one leaves workers idle, and restore what they restore alone", async () => {
    const chains = [1, 2, 3].map((seed) => toyChain({ steps: 12, method: "secant", seed }));
    const host = fleet.host(0, 4);
    // Borders that stay leave the workers of the first slices idle.
    const parts = { scan, operator, borders: fixedBorders };
    const alone: Float32Array[] = [];
    for (const chain of chains) {
      alone.push((await solveTimeParallel(chain, exact, { ...parts, host }, never)).picture);
    }
    const turns = new WorkerTurns(host, [0, 1, 2, 3]);
    const events: string[] = [];
    const overlapping = await Promise.all(
      chains.map(async (chain, i) => {
        const turn = await turns.take();
        events.push(`begin ${i}`);
        try {
          return (await solveTimeParallel(chain, exact, { ...parts, host: turn }, never)).picture;
        } finally {
          events.push(`end ${i}`);
          turn.end();
        }
      }),
    );
    expect(overlapping).toEqual(alone);
    // Each has its first worker before the chain ahead of it is at its end.
    for (const i of [0, 1]) expect(events.indexOf(`begin ${i + 1}`)).toBeLessThan(events.indexOf(`end ${i}`));
  });
});
