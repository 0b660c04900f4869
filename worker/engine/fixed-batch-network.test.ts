import { afterAll, describe, expect, it } from "vitest";
import { linearModel, ModelFolder, smoothModel } from "../../test/models.js";
import { seededValues } from "../../test/seeded-values.js";
import { FixedBatchNetwork, type SessionNetwork } from "./fixed-batch-network.js";
import { OnnxNetwork } from "./network.js";

const size = { height: 8, width: 16 };
const numbers = 3 * size.height * size.width;

const models = new ModelFolder();
afterAll(() => models.remove());

/** Real sessions that tell which shapes they saw, on a device whose memory suffices for so many states at once. */
function sessionsOf(path: string, memory = Number.POSITIVE_INFINITY) {
  const shapes: string[][] = [];
  let [held, released] = [0, 0];
  const open = async (): Promise<SessionNetwork> => {
    const inner = await OnnxNetwork.load(path, { threads: 1 });
    const seen: string[] = [];
    shapes.push(seen);
    let used = 0;
    return {
      card: inner.card,
      largestBatch: inner.largestBatch,
      evaluate: async (x, timesteps, { height, width }, out) => {
        const states = timesteps.length;
        if (held - used + states > memory) throw new Error("CUDA failure 2: out of memory ; GPU=0");
        held += states - used;
        used = states;
        seen.push(`${states} ${height}x${width}`);
        await inner.evaluate(x, timesteps, { height, width }, out);
      },
      release: async () => {
        held -= used;
        released++;
        await inner.release();
      },
    };
  };
  return { open, shapes, released: () => released };
}

const over = (
  open: () => Promise<SessionNetwork>,
  onTrouble: (reason: string) => void = () => {},
  now?: () => number,
) => FixedBatchNetwork.over({ open, onTrouble, ...(now && { now }) });

const inputs = (states: number) => ({
  x: seededValues(states * numbers, states),
  timesteps: Array.from({ length: states }, (_, i) => (37 * i + states) % 1000),
});

async function expectAsPlain(path: string, network: FixedBatchNetwork, counts: readonly number[]) {
  const plain = await OnnxNetwork.load(path, { threads: 1 });
  for (const states of counts) {
    const { x, timesteps } = inputs(states);
    const [found, expected] = [new Float32Array(x.length).fill(Number.NaN), new Float32Array(x.length)];
    await network.evaluate(x, timesteps, size, found);
    await plain.evaluate(x, timesteps, size, expected);
    expect(found).toEqual(expected);
  }
  await plain.release();
}

describe("FixedBatchNetwork", () => {
  it("evaluates any number of states as one session does, each of its sessions seeing one batch only", async () => {
    const path = models.write("smooth.onnx", smoothModel());
    const { open, shapes } = sessionsOf(path);
    const network = await over(open);
    await expectAsPlain(path, network, [7, 5, 4, 3, 2, 1, 7, 25, 40, 33, 1]);
    for (const seen of shapes) expect(new Set(seen).size).toBe(1);
    expect(shapes.map(([first]) => first).sort()).toEqual([
      "1 8x16",
      "2 8x16",
      "32 8x16",
      "4 8x16",
      "8 8x16",
    ]);
    await network.release();
  });

  it("plans ahead: what was prepared needs no further session or shape", async () => {
    const { open, shapes } = sessionsOf(models.write("smooth.onnx", smoothModel()));
    const network = await over(open);
    await network.prepare(6, size);
    expect(shapes).toEqual([["8 8x16"]]);
    const { x, timesteps } = inputs(5);
    await network.evaluate(x, timesteps, size, new Float32Array(x.length));
    expect(shapes).toEqual([["8 8x16", "8 8x16"]]);
    // Another size is planned once in the session that is there.
    const small = { height: 8, width: 8 };
    for (let i = 0; i < 2; i++) {
      await network.evaluate(x.subarray(0, 5 * 192), timesteps, small, new Float32Array(5 * 192));
    }
    expect(shapes).toEqual([["8 8x16", "8 8x16", "8 8x8", "8 8x8", "8 8x8"]]);
  });

  it("where memory does not suffice, gives other sessions up, then makes smaller calls", async () => {
    const path = models.write("smooth.onnx", smoothModel());
    const { open, shapes, released } = sessionsOf(path, 9);
    const network = await over(open);
    await expectAsPlain(path, network, [1, 2, 8]);
    // 1 + 2 + 8 states are too many together.
    expect(released()).toBe(2);
    await expectAsPlain(path, network, [25, 16, 8]);
    expect(shapes.flat().every((shape) => Number(shape.split(" ")[0]) <= 8)).toBe(true);
    const asked = shapes.flat().length;
    await expectAsPlain(path, network, [16]);
    // Nothing larger is tried again: two calls of eight.
    expect(shapes.flat().length).toBe(asked + 2);
  });

  it("passes on what is no lack of memory, and what a single state is too large for", async () => {
    const path = models.write("smooth.onnx", smoothModel());
    const { x, timesteps } = inputs(3);
    const none = await over(sessionsOf(path, 0).open);
    await expect(none.evaluate(x, timesteps, size, new Float32Array(x.length))).rejects.toThrow(
      /out of memory/,
    );
    const broken = await over(async () => {
      const inner = await sessionsOf(path).open();
      return { ...inner, evaluate: () => Promise.reject(new Error("unsupported operator")) };
    });
    await expect(broken.evaluate(x, timesteps, size, new Float32Array(x.length))).rejects.toThrow(
      /unsupported/,
    );
  });

  it("tries larger calls again after a while: the memory may have been somebody else's need", async () => {
    const path = models.write("smooth.onnx", smoothModel());
    let [memory, clock] = [2, 0];
    const shapes: number[] = [];
    const open = async (): Promise<SessionNetwork> => {
      const inner = await OnnxNetwork.load(path, { threads: 1 });
      return {
        card: inner.card,
        largestBatch: inner.largestBatch,
        release: () => inner.release(),
        evaluate: async (x, timesteps, of, out) => {
          if (timesteps.length > memory) throw new Error("Failed to allocate memory for requested buffer");
          shapes.push(timesteps.length);
          await inner.evaluate(x, timesteps, of, out);
        },
      };
    };
    const network = await over(open, undefined, () => clock);
    await expectAsPlain(path, network, [8]);
    memory = 100;
    await expectAsPlain(path, network, [8]);
    expect(Math.max(...shapes)).toBe(2);
    clock = 600_000;
    await expectAsPlain(path, network, [8]);
    expect(Math.max(...shapes)).toBe(8);
  });

  it("does with the sessions that there are where the model's file is another, and says so once", async () => {
    const path = models.write("replaced.onnx", smoothModel());
    const reference = models.write("smooth.onnx", smoothModel());
    const { open, shapes } = sessionsOf(path);
    const troubles: string[] = [];
    const network = await over(open, (reason) => troubles.push(reason));
    await expectAsPlain(reference, network, [4]);
    models.write("replaced.onnx", linearModel(0.5));
    await expectAsPlain(reference, network, [1, 3, 9, 2]);
    expect(new Set(shapes[0])).toEqual(new Set(["4 8x16"]));
    expect(troubles).toEqual([expect.stringContaining("another than when it was loaded")]);
  });
});
