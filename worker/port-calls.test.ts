/** Calls over a real message port. */
import { MessageChannel, Worker } from "node:worker_threads";
import { afterEach, expect, it } from "vitest";
import { InputError, PictureError, RetryableError } from "../shared/errors.js";
import { PortCalls, serveCalls } from "./port-calls.js";

const never = new AbortController().signal;
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** Calls that are answered by `handle`. */
function connected<Argument, Result>(handle: (argument: Argument, signal: AbortSignal) => Promise<Result>) {
  const { port1, port2 } = new MessageChannel();
  closing.push(() => port1.close());
  serveCalls<Argument, Result>(port1, handle, (result) =>
    result instanceof Float32Array ? [result.buffer as ArrayBuffer] : [],
  );
  return new PortCalls<Argument, Result>(port2);
}

it("answers each call with its own result, however they end", async () => {
  const held: (() => void)[] = [];
  const calls = connected(async (i: number) => {
    await new Promise<void>((resolve) => {
      held[i] = resolve;
      if (held.length === 3) for (const release of [2, 0, 1]) held[release]!();
    });
    return 10 * i;
  });
  expect(await Promise.all([0, 1, 2].map((i) => calls.call(i, never)))).toEqual([0, 10, 20]);
});

it("hands buffers over in both directions", async () => {
  const calls = connected(async (values: Float32Array) => values.map((value) => 2 * value));
  const values = Float32Array.of(1, 2);
  expect(await calls.call(values, never, [values.buffer])).toEqual(Float32Array.of(2, 4));
  expect(values.length).toBe(0);
});

it("errors keep their kind, and whatever nobody foresaw is the picture's", async () => {
  const calls = connected(async (kind: string) => {
    throw kind === "input" ? new InputError("wrong") : new TypeError("oops");
  });
  await expect(calls.call("input", never)).rejects.toThrow(InputError);
  await expect(calls.call("other", never)).rejects.toThrow(PictureError);
  await expect(calls.call("other", never)).rejects.toThrow("oops");
});

it("a call that is aborted is aborted on the other side", async () => {
  let told: (aborted: boolean) => void = () => {};
  const aborted = new Promise<boolean>((resolve) => {
    told = resolve;
  });
  const stop = new AbortController();
  const calls = connected(async (_: null, signal) => {
    signal.addEventListener("abort", () => told(true));
    stop.abort(new Error("enough"));
    await aborted;
  });
  await expect(calls.call(null, stop.signal)).rejects.toThrow("enough");
  expect(await aborted).toBe(true);
  await expect(calls.call(null, stop.signal)).rejects.toThrow("enough");
});

it("fails all calls once the other end is gone", async () => {
  const calls = connected(() => new Promise<void>(() => {}));
  const waiting = calls.call(null, never);
  calls.fail(new RetryableError("gone"));
  await expect(waiting).rejects.toThrow("gone");
  await expect(calls.call(null, never)).rejects.toThrow("gone");
});

/** A thread that makes two calls by hand and waits for their answers until it is ended. */
const callingThread = `
  const { workerData: port } = require("node:worker_threads");
  for (const call of [0, 1]) port.postMessage({ call, argument: call });
  port.on("message", () => {});
`;

it("what a thread asked for is aborted when the thread ends without a word", async () => {
  const { port1, port2 } = new MessageChannel();
  closing.push(() => port1.close());
  let begin: () => void = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const aborted = new Set<number>();
  const ends: Promise<void>[] = [];
  serveCalls<number, void>(port1, async (argument, signal) => {
    const end = new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => {
        aborted.add(argument);
        resolve();
      });
    });
    ends.push(end);
    if (ends.length === 2) begin();
    await end;
    throw new RetryableError("nobody hears this any more");
  });
  const thread = new Worker(callingThread, { eval: true, workerData: port2, transferList: [port2] });
  await begun;
  expect(aborted.size).toBe(0);
  await thread.terminate();
  await Promise.all(ends);
  expect(aborted).toEqual(new Set([0, 1]));
});
