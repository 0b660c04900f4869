import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { Gate } from "./gate.js";

it("lets so many in at a time, in the order in which they came", async () => {
  const gate = new Gate(2);
  const entered: number[] = [];
  const leave: (() => void)[] = [];
  const all = [0, 1, 2, 3, 4].map(async (who) => {
    leave[who] = await gate.enter();
    entered.push(who);
  });
  await turn();
  expect(entered).toEqual([0, 1]);
  leave[1]();
  await turn();
  expect(entered).toEqual([0, 1, 2]);
  // Leaving twice lets nobody in on another's ticket.
  leave[1]();
  await turn();
  expect(entered).toEqual([0, 1, 2]);
  leave[0]();
  leave[2]();
  await Promise.all(all);
  expect(entered).toEqual([0, 1, 2, 3, 4]);
});
