import { expect, it } from "vitest";
import { Life, type LifeState, transitions } from "./life.js";

const states = Object.keys(transitions) as LifeState[];

/** A shortest way from `starting` to a state. */
function wayTo(goal: LifeState): LifeState[] {
  const ways: LifeState[][] = [["starting"]];
  for (const way of ways) {
    const last = way[way.length - 1];
    if (last === goal) return way.slice(1);
    for (const next of transitions[last]) if (!way.includes(next)) ways.push([...way, next]);
  }
  throw new Error(`no way leads to ${goal}`);
}

it.each(states.flatMap((from) => states.map((to) => [from, to] as const)))(
  "%s -> %s is made or refused as the table says",
  (from, to) => {
    const seen: string[] = [];
    const life = new Life((state, why) => seen.push(`${state}: ${why}`));
    for (const state of wayTo(from)) life.enter(state, "on the way");
    seen.length = 0;
    if (transitions[from].includes(to)) {
      life.enter(to, "because");
      expect(life.state).toBe(to);
      expect(seen).toEqual([`${to}: because`]);
    } else {
      expect(() => life.enter(to, "because")).toThrow(`a worker that is ${from} cannot be ${to}`);
      expect(life.state).toBe(from);
      expect(seen).toEqual([]);
    }
  },
);

it("an end is an end, and every other state may fail or drain", () => {
  const ended = states.filter((state) => transitions[state].length === 0);
  expect(ended.sort()).toEqual(["failed", "stopped"]);
  for (const state of states) {
    if (ended.includes(state)) continue;
    expect(transitions[state]).toContain("failed");
    expect(state === "draining" || transitions[state].includes("draining")).toBe(true);
  }
  // Work is handed back before a worker stops, and only a member of a fleet serves.
  expect(states.filter((state) => transitions[state].includes("stopped"))).toEqual(["draining"]);
  expect(states.filter((state) => transitions[state].includes("serving"))).toEqual(["joining"]);
});
