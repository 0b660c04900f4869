/** However a coordinator ends, its workers end with it, even in the middle of a network run. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { laneFolder, sweepLanes } from "../../shared/wire/tensor-lane.js";
import { ModelFolder, nullModel, slowModel } from "../models.js";
import { becomesTrue, childrenOf, isAlive } from "../processes.js";

const program = fileURLToPath(new URL("../fleet-parent.js", import.meta.url));
const graceMilliseconds = 2000;
const models = new ModelFolder();
let quick: string;
let slow: string;
beforeAll(async () => {
  quick = models.write("null.onnx", nullModel());
  slow = models.write("slow.onnx", await slowModel(6));
});
afterAll(() => models.remove());

/** Lanes that can be found by name. */
const laneNames = (): string[] =>
  readdirSync(laneFolder() ?? tmpdir()).filter((name) => name.startsWith("deqfleet-lane-"));

const parents: ChildProcess[] = [];
afterAll(() => {
  for (const parent of parents) parent.kill("SIGKILL");
});

function startParent(...args: string[]): ChildProcess {
  const parent = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "ignore"] });
  parents.push(parent);
  return parent;
}

async function workersOf(parent: ChildProcess): Promise<number[]> {
  if (!parent.stdout) throw new Error("the parent has no output");
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  return JSON.parse(line.toString()) as number[];
}

async function expectGone(pids: readonly number[]): Promise<void> {
  const gone = await becomesTrue(graceMilliseconds, () => !pids.some(isAlive));
  for (const pid of pids.filter(isAlive)) process.kill(pid, "SIGKILL");
  expect(gone).toBe(true);
}

describe("workers end with a parent", () => {
  it.each(["SIGKILL", "SIGTERM"] as const)("that is ended by %s", async (signal) => {
    const parent = startParent(quick, "2", "wait");
    const workers = await workersOf(parent);
    expect(workers.length).toBe(2);
    expect(workers.every(isAlive)).toBe(true);
    parent.kill(signal);
    await once(parent, "exit");
    await expectGone(workers);
  });

  it.each(["exit", "throw"])("that ends itself by %s", async (ending) => {
    const parent = startParent(quick, "2", ending);
    const exited = once(parent, "exit");
    const workers = await workersOf(parent);
    const [code] = (await exited) as [number];
    expect(code).toBe(ending === "exit" ? 0 : 1);
    await expectGone(workers);
  });

  it("that is ended by SIGKILL while networks run for seconds", async () => {
    const parent = startParent(slow, "2", "wait", "busy");
    const workers = await workersOf(parent);
    expect(workers.every(isAlive)).toBe(true);
    parent.kill("SIGKILL");
    await once(parent, "exit");
    await expectGone(workers);
    // Lanes lose their names when both sides have opened them; the next fleet sweeps away one that nobody came for.
    const folder = laneFolder();
    if (folder) sweepLanes(folder);
    expect(laneNames().filter((name) => name.startsWith(`deqfleet-lane-${parent.pid}-`))).toEqual([]);
  });

  it.runIf(process.platform === "linux").each([30, 120, 250])(
    "that is ended by SIGKILL %i ms after its workers were started",
    async (milliseconds) => {
      const parent = startParent(quick, "2", "wait");
      let workers: number[] = [];
      expect(
        await becomesTrue(20_000, () => {
          workers = childrenOf(parent.pid ?? 0);
          return workers.length === 2;
        }),
      ).toBe(true);
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      parent.kill("SIGKILL");
      await once(parent, "exit");
      await expectGone(workers);
    },
  );
});
