import { describe, expect, it } from "vitest";
import type { SliceSpec } from "../../shared/chain/slice-host.js";
import { InputError } from "../../shared/errors.js";
import { firstRound } from "../../test/first-round.js";
import { never } from "../../test/fleet-fixture.js";
import { taskSamples } from "../../test/task-samples.js";
import { toyChain } from "../../test/toy-chain.js";
import { smoothToy } from "../../test/toy-networks.js";
import { SliceEngine } from "./slice-engine.js";

const sample = taskSamples[0]!;
const { height, width } = sample.size;
const numbers = 3 * height * width;
const chain = toyChain({ steps: 2, method: "secant", sample });
const whole: SliceSpec = { chain, begin: 0, end: 2, seeds: undefined };
const engineOf = () => new SliceEngine(smoothToy(0.5), { threads: 1 });

const short = new Float32Array(numbers - 1);
const long = new Float32Array(numbers + 1);

describe("a slice is not opened with", () => {
  it.each<[string, SliceSpec, number]>([
    ["A^+ y", { ...whole, chain: { ...chain, pseudoInverse: short } }, short.length],
    ["A^+ y", { ...whole, chain: { ...chain, pseudoInverse: long } }, long.length],
    ["the mask", { ...whole, chain: { ...chain, mask: new Uint8Array(3) } }, 3],
    ["the start noise", { ...whole, chain: { ...chain, initialState: short } }, short.length],
    ["the entry state", { ...whole, begin: 1, seeds: { entry: short, exit: undefined } }, short.length],
    ["the exit state", { ...whole, end: 1, seeds: { entry: undefined, exit: short } }, short.length],
  ])("%s of another length than the canvas", async (what, spec, found) => {
    const opening = engineOf().open(spec);
    await expect(opening).rejects.toThrow(InputError);
    await expect(opening).rejects.toThrow(
      `${what} has ${found} numbers, and the canvas of ${height}x${width} (HxW) needs`,
    );
  });
});

it("a whole chain is not solved with A^+ y of another length", async () => {
  const solving = engineOf().solve({ ...chain, pseudoInverse: short }, never);
  await expect(solving).rejects.toThrow(InputError);
  await expect(solving).rejects.toThrow(`${short.length} numbers`);
});

it("a correction of another length is refused, and leaves the states as they were", async () => {
  const slice = await engineOf().open({ ...whole, begin: 1 });
  const command = firstRound(1, 2);
  await slice.round(command);
  const before = await slice.readState("entry");
  const correcting = slice.round({ ...command, round: 2, correctFrom: 0, correction: short.fill(9) });
  await expect(correcting).rejects.toThrow(InputError);
  await expect(correcting).rejects.toThrow(`the correction has ${short.length} numbers`);
  expect(await slice.readState("entry")).toEqual(before);
  await slice.close();
});
