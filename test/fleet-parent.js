// A program that starts a local fleet, says which processes it started, and then ends the way its arguments tell it to.
// Arguments: model path, number of workers, the ending ("wait", "exit", "throw"), and "busy" to have a network running.
import { startLocalFleet } from "../dist/coordinator/local-fleet.js";
import { solveSerial } from "../dist/coordinator/solver/solve-chain.js";

const [modelPath, workers, ending, busy] = process.argv.slice(2);
const { signal } = new AbortController();
const fleet = await startLocalFleet({ workers: Number(workers), threads: 1, modelPath, signal });
if (busy === "busy") {
  const chain = {
    pictureId: "parent.png",
    seed: 1,
    schedule: { steps: 4, start: 1000, spacing: "uniform" },
    weights: { etw: 0, nw: 0 },
    method: "secant",
    task: { task: "colorize" },
    canvas: { height: 8, width: 8 },
    mask: undefined,
    pseudoInverse: new Float32Array(3 * 64),
  };
  for (let i = 0; i < Number(workers); i++) solveSerial(chain, fleet.host, i, signal).catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 700));
}
process.stdout.write(`${JSON.stringify(fleet.workers().map(({ pid }) => pid))}\n`, () => {
  if (ending === "exit") process.exit(0);
  if (ending === "throw") {
    setImmediate(() => {
      throw new Error("uncaught, on purpose");
    });
  }
});
