/** Slices on workers that vanish, stall or lie while tensors are on their way. */
import { once } from "node:events";
import { mkdtemp, readdir, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { SliceSpec } from "../../shared/chain/slice-host.js";
import { RetryableError } from "../../shared/errors.js";
import type { SliceEvent } from "../../shared/wire/generated/deqfleet/v1/SliceEvent.js";
import type { Tensor } from "../../shared/wire/generated/deqfleet/v1/Tensor.js";
import { channelOptions, insecureChannel, protocol } from "../../shared/wire/protocol.js";
import { encodeTensor } from "../../shared/wire/tensor-codec.js";
import { laneFolder } from "../../shared/wire/tensor-lane.js";
import { type FakeAnswer, FakeWorker, type FakeWorkerScript } from "../../test/fake-worker.js";
import { firstRound } from "../../test/first-round.js";
import { toyChain } from "../../test/toy-chain.js";
import { type CommandFeed, ExchangeServer } from "./exchange-server.js";
import { GrpcSlice } from "./grpc-slice.js";
import type { SliceTimeouts } from "./slice-way.js";
import { WorkerChannel } from "./worker-channel.js";

const never = new AbortController().signal;
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A chain whose tensors are larger than one message. */
const canvas = { height: 512, width: 512 };
const numbers = 3 * canvas.height * canvas.width;
const chain = {
  ...toyChain({ steps: 2, method: "secant" }),
  canvas,
  pseudoInverse: new Float32Array(numbers),
};
const wholeChain: SliceSpec = { chain, begin: 0, end: 2, seeds: undefined };

interface Scene {
  readonly worker: FakeWorker;
  readonly channel: WorkerChannel;
  readonly exchange: ExchangeServer;
}

async function scene(script: FakeWorkerScript): Promise<Scene> {
  const worker = await FakeWorker.listen(script);
  const channel = await WorkerChannel.connect(worker.address);
  const exchange = await ExchangeServer.listen("127.0.0.1:0");
  closing.push(
    () => worker.close(),
    () => channel.close(),
    () => exchange.close(),
  );
  return { worker, channel, exchange };
}

async function openOn(
  { channel, exchange }: Scene,
  timeouts: SliceTimeouts = { command: 30_000 },
  spec = wholeChain,
): Promise<GrpcSlice> {
  const slice = await GrpcSlice.open(spec, channel, exchange, timeouts, undefined, never);
  closing.push(() => slice.close());
  return slice;
}

const opens =
  (then: FakeAnswer): FakeAnswer =>
  (command) =>
    command.setup ? [{ opened: {} }] : then(command);

const picture = encodeTensor(new Float32Array(numbers), [numbers]).tensor;
const seconds = { network: 1, kernels: 1, total: 1 };

/** Every answer that carries a tensor. */
const tensorAnswers: readonly [
  string,
  (tensor: Tensor) => SliceEvent,
  (slice: GrpcSlice, signal: AbortSignal) => Promise<unknown>,
][] = [
  ["a state", (state) => ({ state }), (slice, signal) => slice.readState("exit", signal)],
  [
    "a serial chain",
    (exit) => ({ serial: { exit, evaluations: 2, seconds } }),
    (slice, signal) => slice.serial(signal),
  ],
  [
    "a round",
    (exit) => ({ round: { exit, residuals: [1, 1], evaluations: 2, seconds } }),
    (slice, signal) => slice.round(firstRound(0, 2), signal),
  ],
  [
    "given steps",
    (given) => {
      const run = { begin: 0, end: 1, entry: true, exit: false };
      return { given: { run: { run, jacobians: [1, 1], numbers }, numbers: given } };
    },
    (slice, signal) => slice.give({ begin: 0, end: 1, entry: true, exit: false }, signal),
  ],
];

describe.each(tensorAnswers)("in the middle of the tensor of %s", (_, answer, ask) => {
  it("a worker that is lost costs its slice, not the chain", async () => {
    const all = await scene({ answer: opens(() => [answer(picture)]) });
    const slice = await openOn(all);
    const asked = ask(slice, never);
    setTimeout(() => all.channel.abandon("no heartbeat came"), 200);
    await expect(asked).rejects.toThrow(RetryableError);
    await expect(asked).rejects.toThrow(`worker ${all.worker.address} was lost: no heartbeat came`);
  });

  it("a worker that stalls is given up after the command's time", async () => {
    const slice = await openOn(await scene({ answer: opens(() => [answer(picture)]) }), { command: 1000 });
    await expect(ask(slice, never)).rejects.toThrow(/did not answer within 1 s/);
  });

  it("a caller that aborts waits no longer, and gets its own reason", async () => {
    const slice = await openOn(await scene({ answer: opens(() => [answer(picture)]) }));
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Error("the user pressed Ctrl-C")), 200);
    await expect(ask(slice, abort.signal)).rejects.toThrow("the user pressed Ctrl-C");
  });
});

describe.each(tensorAnswers)("the tensor of %s", (_, answer, ask) => {
  it.each([numbers - 1, numbers + 1])("is refused with %i numbers", async (found) => {
    const { tensor, chunks } = encodeTensor(new Float32Array(found), [found]);
    const said = [answer(tensor), ...chunks.map((chunk) => ({ chunk }))];
    const asked = ask(await openOn(await scene({ answer: opens(() => said) })), never);
    await expect(asked).rejects.toThrow(RetryableError);
    await expect(asked).rejects.toThrow(`a tensor of ${found} numbers came where ${numbers} were due`);
  });

  it.runIf(laneFolder())("is refused with others in a lane, too", async () => {
    const tensor: Tensor = { dtype: "DTYPE_FLOAT32", shape: [4], lane: 1 };
    const script: FakeAnswer = (command) => (command.setup ? [{ opened: { lane: true } }] : [answer(tensor)]);
    const { channel, exchange } = await scene({ answer: script });
    const timeouts = { command: 30_000 };
    const slice = await GrpcSlice.open(wholeChain, channel, exchange, timeouts, laneFolder(), never);
    closing.push(() => slice.close());
    await expect(ask(slice, never)).rejects.toThrow(`a tensor of 4 numbers came where ${numbers} were due`);
  });
});

it.each([
  ["more numbers than steps can have", { begin: 0, end: 1 }, 8 * numbers + 1],
  ["other steps than were asked for", { begin: 0, end: 2 }, numbers],
])("given are refused %s", async (_, range, count) => {
  const run = { ...range, entry: true, exit: false };
  const jacobians = new Array<number>(2 * (range.end - range.begin)).fill(1);
  const given = { run: { run, jacobians, numbers: count }, numbers: { ...picture, shape: [count] } };
  const slice = await openOn(await scene({ answer: opens(() => [{ given }]) }));
  const giving = slice.give({ begin: 0, end: 1, entry: true, exit: false }, never);
  await expect(giving).rejects.toThrow(RetryableError);
  await expect(giving).rejects.toThrow(
    `steps 0..${range.end} were given with ${count} numbers where 0..1 were due, with ${8 * numbers} at most`,
  );
});

it("a worker whose channel is closed is lost, and nothing of the slice stays behind", async () => {
  const { channel, exchange } = await scene({});
  const folder = await mkdtemp(join(tmpdir(), "deqfleet-lanes-"));
  closing.push(() => rm(folder, { recursive: true }));
  const announce = vi.spyOn(exchange, "announce");
  channel.abandon("no heartbeat came");
  const opening = GrpcSlice.open(wholeChain, channel, exchange, { command: 5000 }, folder, never);
  await expect(opening).rejects.toThrow(RetryableError);
  await expect(opening).rejects.toThrow(`worker ${channel.address} was lost: no heartbeat came`);

  // The place where lanes' workers come for their rounds serves all slices, and stays.
  const hall = await exchange.laneHall(folder);
  expect(await readdir(folder)).toEqual([hall?.name]);
  // Where the system lists them.
  const files = await readdir("/proc/self/fd").catch(() => []);
  const open = await Promise.all(files.map((file) => readlink(`/proc/self/fd/${file}`).catch(() => "")));
  expect(open.filter((path) => path.startsWith(folder))).toEqual([]);

  const [token] = announce.mock.calls[0];
  const client = new protocol.Exchange(exchange.address, insecureChannel, channelOptions);
  closing.push(() => client.close());
  const stranger = client.followSlice({ token }, { deadline: Date.now() + 10_000 });
  stranger.resume();
  const [error] = (await once(stranger, "error")) as [Error];
  expect(error.message).toContain("no slice of that token is open");
  const feed = announce.mock.results[0].value as CommandFeed;
  await expect(feed.write([])).rejects.toThrow("the slice was closed");
});

describe("a transfer that is longer than what the streams hold back", () => {
  const size = { height: 2048, width: 2048 };
  const large = new Float32Array(3 * size.height * size.width);
  const spec = {
    ...wholeChain,
    chain: { ...chain, canvas: size, pseudoInverse: large },
    seeds: { entry: large, exit: large },
  };
  /** Messages of a megabyte. */
  const messages = (3 * large.byteLength) / 1024 ** 2;
  const timeouts = { command: 60_000, stall: 1500 };

  it("may take as long as it goes on", async () => {
    let read = 0;
    const onTensor = async () => {
      await pause(30);
      return ++read === messages ? [{ opened: {} }] : [];
    };
    const started = performance.now();
    await openOn(await scene({ onTensor }), timeouts, spec);
    expect(performance.now() - started).toBeGreaterThan(2 * timeouts.stall);
  });

  it("ends when the worker takes no more of it", async () => {
    let read = 0;
    const onTensor = () => (++read < 40 ? Promise.resolve([]) : new Promise<never>(() => {}));
    await expect(openOn(await scene({ onTensor }), timeouts, spec)).rejects.toThrow(
      /did not answer within 1.5 s/,
    );
  });
});
