import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Gate, type Leave } from "./gate.js";

const never = new AbortController().signal;

/** Asks for a place for each share. */
function queue(gate: Gate, shares: readonly number[]) {
  const entered: number[] = [];
  const leave: Leave[] = [];
  const all = shares.map(async (share, who) => {
    leave[who] = await gate.enter(share, never);
    entered.push(who);
  });
  return { entered, leave, all: Promise.all(all) };
}

describe("a gate", () => {
  it("lets so many in at a time, in the order in which they came", async () => {
    const { entered, leave, all } = queue(new Gate(), [0.5, 0.5, 0.5, 0.5, 0.5]);
    await turn();
    expect(entered).toEqual([0, 1]);
    leave[1]!();
    await turn();
    expect(entered).toEqual([0, 1, 2]);
    // Leaving twice lets nobody in on another's ticket.
    leave[1]!();
    await turn();
    expect(entered).toEqual([0, 1, 2]);
    leave[0]!();
    leave[2]!();
    await all;
    expect(entered).toEqual([0, 1, 2, 3, 4]);
  });

  it("has room for a full call and one more", async () => {
    const { entered, leave } = queue(new Gate(1), [1 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3]);
    await turn();
    expect(entered).toEqual([0, 1, 2, 3]);
    leave[2]!();
    await turn();
    expect(entered).toEqual([0, 1, 2, 3, 4]);
    const large = queue(new Gate(1), [1, 1, 1]);
    await turn();
    expect(large.entered).toEqual([0, 1]);
  });

  it("lets those who do not want to wait any more go, and the next in", async () => {
    const gate = new Gate();
    const leave = await gate.enter(1, never);
    const stop = new AbortController();
    const impatient = gate.enter(1, stop.signal);
    const next = gate.enter(1, never);
    stop.abort(new Error("enough"));
    await expect(impatient).rejects.toThrow("enough");
    leave();
    await next;
    await expect(gate.enter(1, AbortSignal.abort(new Error("at once")))).rejects.toThrow("at once");
  });
});
