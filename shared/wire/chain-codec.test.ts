import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { methodNames } from "../chain/method.js";
import { timestepSpacings } from "../diffusion/noise-schedule.js";
import { InputError, PictureError } from "../errors.js";
import { blurTasks } from "../operators/blur-kernels.js";
import type { TaskSettings } from "../operators/task.js";
import { type ChainSettings, decodeChain, encodeChain } from "./chain-codec.js";
import type { Chain, Chain__Output } from "./generated/deqfleet/v1/Chain.js";
import type { OpenSliceRequest__Output } from "./generated/deqfleet/v1/OpenSliceRequest.js";
import { protocolDefinition } from "./protocol.js";

/** What a worker receives of a message a coordinator sent. */
function overTheWire(chain: Chain): Chain__Output {
  const worker = protocolDefinition["deqfleet.v1.Worker"];
  if (!("OpenSlice" in worker)) throw new Error("no OpenSlice in the protocol");
  const { requestSerialize, requestDeserialize } = worker.OpenSlice;
  const request = requestDeserialize(requestSerialize({ chain })) as OpenSliceRequest__Output;
  if (!request.chain) throw new Error("the chain was lost");
  return request.chain;
}

const tasks: fc.Arbitrary<TaskSettings> = fc.oneof(
  fc.record({
    task: fc.constantFrom("sr-average" as const, "sr-bicubic" as const),
    scale: fc.integer({ min: 2, max: 16 }),
  }),
  fc.constantFrom<TaskSettings>({ task: "inpaint" }, { task: "colorize" }),
  fc.record({
    task: fc.constantFrom(...blurTasks),
    blurForm: fc.constantFrom("exact" as const, "deqir" as const),
  }),
  fc.record({
    task: fc.constant("cs-hadamard" as const),
    ratio: fc.double({ min: 0.01, max: 1, noNaN: true }),
    permutationSeed: fc.integer({ min: 0, max: 0xffffffff }),
  }),
);

const chains: fc.Arbitrary<ChainSettings> = fc.record({
  pictureId: fc.string({ unit: "grapheme" }),
  seed: fc.maxSafeNat(),
  schedule: fc.record({
    steps: fc.integer({ min: 1, max: 1000 }),
    start: fc.integer({ min: 1, max: 1000 }),
    spacing: fc.constantFrom(...timestepSpacings),
  }),
  weights: fc.record({
    etw: fc.double({ min: 0, max: 1, noNaN: true }),
    nw: fc.double({ min: 0, max: 10, noNaN: true }),
  }),
  method: fc.constantFrom(...methodNames),
  task: tasks,
  canvas: fc.record({ height: fc.integer({ min: 1, max: 7680 }), width: fc.integer({ min: 1, max: 7680 }) }),
});

it("any chain's settings come back over the wire", () => {
  fc.assert(
    fc.property(chains, (chain) => {
      expect(decodeChain(overTheWire(encodeChain(chain)))).toEqual(chain);
    }),
  );
});

describe("decodeChain refuses", () => {
  const good: Chain__Output = overTheWire(
    encodeChain({
      pictureId: "a.png",
      seed: 1,
      schedule: { steps: 10, start: 1000, spacing: "uniform" },
      weights: { etw: 0, nw: 0 },
      method: "secant",
      task: { task: "colorize" },
      canvas: { height: 8, width: 8 },
    }),
  );

  it.each<[string, Partial<Chain__Output>]>([
    ["method", { method: "newton" }],
    ["spacing", { spacing: "" }],
    ["steps", { steps: 0 }],
    ["etw", { etw: 1.5 }],
    ["nw", { nw: Number.NaN }],
    ["height", { height: 0 }],
    ["seed", { seed: 2 ** 60 }],
  ])("a wrong %s, naming it", (name, change) => {
    expect(() => decodeChain({ ...good, ...change })).toThrow(InputError);
    expect(() => decodeChain({ ...good, ...change })).toThrow(name);
  });

  it("a canvas that no slice can hold, as the fault of this picture alone", () => {
    const huge = { ...good, height: 65_536, width: 65_536 };
    expect(() => decodeChain(huge)).toThrow(PictureError);
    expect(() => decodeChain(huge)).toThrow(/65536x65536 \(HxW\) is 4294967296 pixels/);
  });

  it.each(["", "{", '{"task":"sharpen"}', '{"task":"colorize","scale":2}'])("the task %j", (taskJson) => {
    expect(() => decodeChain({ ...good, taskJson })).toThrow(InputError);
    expect(() => decodeChain({ ...good, taskJson })).toThrow(/the task's settings are not valid/);
  });
});
