/** Whole pictures on a real worker, from store to store, by the call that coordinators make. */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { startLocalFleet } from "../../coordinator/local-fleet.js";
import { restoreOnWorker } from "../../coordinator/wire/restore-on-worker.js";
import { WorkerChannel } from "../../coordinator/wire/worker-channel.js";
import { FatalError, InputError, PictureError, RetryableError, ReturnedError } from "../../shared/errors.js";
import type { Restoration } from "../../shared/jobs/job.js";
import { defaultMaxPixels } from "../../shared/pictures/decode.js";
import type { WholePicture } from "../../shared/restore/whole-picture.js";
import { StoreUnavailableError } from "../../shared/storage/object-store.js";
import { EngineThread } from "../../worker/engine-thread.js";
import { serveWorker, type WorkerServer } from "../../worker/server.js";
import { FakeWorker } from "../fake-worker.js";
import { never } from "../fleet-fixture.js";
import { breakingModel, ModelFolder, slowModel, smoothModel } from "../models.js";
import { restore } from "../restore-runs.js";
import { smallPicture, temporaryFolder } from "../small-pictures.js";

const models = new ModelFolder();
afterAll(() => models.remove());
const smooth = models.write("smooth.onnx", smoothModel());
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A worker in this process, and a channel to it. */
async function worker(
  modelPath = smooth,
  batch = { pictures: 4, pixels: 1e6 },
): Promise<{ server: WorkerServer; channel: WorkerChannel }> {
  const engine = await EngineThread.start({ modelPath, threads: 1, laneFolder: undefined, batch });
  const server = await serveWorker(engine, "127.0.0.1:0");
  closing.push(() => server.close());
  const channel = await WorkerChannel.connect(`127.0.0.1:${server.port}`);
  closing.push(() => channel.close());
  return { server, channel };
}

const restoration: Restoration = {
  task: { task: "sr-average", scale: 4 },
  simulate: true,
  steps: 4,
  start: 1000,
  spacing: "uniform",
  etw: 0,
  nw: 0,
  seed: 0,
  method: "secant",
  tol: 0.1,
  maxRounds: null,
  window: null,
  plan: "serial",
  maxPixels: defaultMaxPixels,
};

/** Two stores, a picture `a.png` in the first, and how it is to be restored. */
async function stored(): Promise<{ input: string; output: string; picture: WholePicture }> {
  const folder = await temporaryFolder();
  const [input, output] = [join(folder, "in"), join(folder, "out")];
  await mkdir(output);
  await smallPicture(join(input, "a.png"), { width: 32, height: 32 });
  const at = (path: string, key: string) => ({ store: pathToFileURL(path).href, key });
  const picture: WholePicture = {
    pictureId: "a.png",
    restoration,
    input: at(input, "a.png"),
    output: at(output, "deep/a.png"),
    measurement: at(output, "measurements/a.png"),
    mask: undefined,
  };
  return { input, output, picture };
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

it("writes what a run of files writes, and says what it did", async () => {
  const { channel } = await worker();
  const { input, output, picture } = await stored();
  const restored = await restoreOnWorker(channel, picture, never);
  const run = await restore({
    inputs: [input],
    out: join(output, "run"),
    task: "sr-average",
    simulate: true,
    steps: 4,
    plan: "serial",
    model: smooth,
    startFleet: startLocalFleet,
  });
  const bytes = await readFile(join(output, "deep/a.png"));
  expect(bytes.equals(await readFile(join(output, "run/a.png")))).toBe(true);
  expect(
    (await readFile(join(output, "measurements/a.png"))).equals(
      await readFile(join(output, "run/measurements/a.png")),
    ),
  ).toBe(true);
  const [{ psnr, ssim, consistency, evaluations }] = run.items;
  expect(restored).toMatchObject({ psnr, ssim, consistency, evaluations, sha256: sha256(bytes) });
  expect(restored).toMatchObject({ evaluations: 4, canvas: { height: 64, width: 64 } });
  expect(psnr).toBeGreaterThan(5);
  expect(restored.seconds.network).toBeGreaterThan(0);
  expect(restored.seconds.total).toBeGreaterThan(restored.seconds.network);
});

it("says nothing of an original that is not there", async () => {
  const { channel } = await worker();
  const { picture } = await stored();
  const measured = { ...picture, measurement: undefined, restoration: { ...restoration, simulate: false } };
  const restored = await restoreOnWorker(channel, measured, never);
  expect(restored).toMatchObject({ psnr: null, ssim: null, canvas: { height: 128, width: 128 } });
});

describe("a mask", () => {
  const inpaint = { ...restoration, task: { task: "inpaint" } } as const;

  it("comes from a store, and has to be the one that is meant", async () => {
    const { channel } = await worker();
    const { output, picture } = await stored();
    const path = await smallPicture(join(output, "mask.png"), {
      width: 32,
      height: 32,
      change: (mask) => mask.greyscale().threshold(90),
    });
    const location = { ...picture.output, key: "mask.png" };
    const hash = sha256(await readFile(path));
    const masked = { ...picture, restoration: inpaint, mask: { location, sha256: hash } };
    const restored = await restoreOnWorker(channel, masked, never);
    expect(restored.consistency).toBeLessThan(1e-4);
    const other = { ...masked, mask: { location, sha256: sha256(Buffer.from("another")) } };
    await expect(restoreOnWorker(channel, other, never)).rejects.toThrow(InputError);
    await expect(restoreOnWorker(channel, other, never)).rejects.toThrow(/mask .*has changed/);
    // It is kept: what happens to the file changes nothing any more.
    await rm(path);
    await restoreOnWorker(channel, masked, never);
  });
});

describe("what goes wrong keeps its kind", () => {
  const failing = async (change: (picture: WholePicture) => WholePicture, modelPath = smooth) => {
    const { channel } = await worker(modelPath);
    const { output, picture } = await stored();
    const error = await restoreOnWorker(channel, change(picture), never).catch((thrown: unknown) => thrown);
    expect(await readdir(output)).toEqual([]);
    return error;
  };

  it("an input that is not there is its picture's trouble", async () => {
    const error = await failing((picture) => ({ ...picture, input: { ...picture.input, key: "no.png" } }));
    expect(error).toBeInstanceOf(PictureError);
    expect(error).toMatchObject({ message: expect.stringContaining("no.png") });
  });

  it("so are numbers that are not finite", async () => {
    const breaking = models.write("breaking.onnx", breakingModel(150));
    const error = await failing((picture) => picture, breaking);
    expect(error).toBeInstanceOf(PictureError);
    expect(error).toMatchObject({ message: expect.stringMatching(/a\.png.*not finite/) });
  });

  it("a store that is not there may be on another worker's machine", async () => {
    const store = pathToFileURL("/no/such/folder").href;
    const error = await failing((picture) => ({ ...picture, input: { ...picture.input, store } }));
    expect(error).toBeInstanceOf(RetryableError);
    expect(error).not.toBeInstanceOf(StoreUnavailableError);
    expect(error).toMatchObject({ message: expect.stringContaining("/no/such/folder") });
  });

  it("a key that cannot be written is that picture's trouble, a store that is gone every picture's", async () => {
    const { channel } = await worker();
    const { output, picture } = await stored();
    await writeFile(join(output, "deep"), "a file where a folder has to be");
    const restore = () => restoreOnWorker(channel, { ...picture, measurement: undefined }, never);
    await expect(restore()).rejects.toThrow(PictureError);
    // The worker has the store open by now.
    await rm(output, { recursive: true });
    await expect(restore()).rejects.toThrow(StoreUnavailableError);
  });

  it("a file of this machine that cannot be written ends the run", async () => {
    const { channel } = await worker();
    const { output, picture } = await stored();
    await writeFile(join(output, "deep"), "a file where a folder has to be");
    const local = {
      ...picture,
      measurement: undefined,
      output: { store: null, key: join(output, "deep/a.png") },
    };
    await expect(restoreOnWorker(channel, local, never)).rejects.toThrow(FatalError);
  });

  it("settings that are wrong are wrong everywhere", async () => {
    const error = await failing((picture) => ({ ...picture, restoration: { ...restoration, steps: 0 } }));
    expect(error).toBeInstanceOf(InputError);
    expect(error).toMatchObject({ message: expect.stringContaining("steps") });
  });

  it("a worker that drains sends pictures elsewhere, and finishes those it has", async () => {
    const { channel, server } = await worker(models.write("slow.onnx", await slowModel(0.1)));
    const { picture } = await stored();
    const begun = restoreOnWorker(channel, picture, never);
    while (server.work.holds === 0) await delay(5);
    server.work.drain();
    const another = { ...picture, output: { ...picture.output, key: "b.png" } };
    const refused = await restoreOnWorker(channel, another, never).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ReturnedError);
    expect(refused).toMatchObject({ message: expect.stringMatching(/draining/) });
    await begun;
    expect(server.work.holds).toBe(0);
  });

  it("a worker that does not know the call, or is gone, is lost", async () => {
    const fake = await FakeWorker.listen({});
    closing.push(() => fake.close());
    const channel = await WorkerChannel.connect(fake.address);
    closing.push(() => channel.close());
    const { picture } = await stored();
    await expect(restoreOnWorker(channel, picture, never)).rejects.toThrow(RetryableError);
    channel.abandon("it fell silent");
    await expect(restoreOnWorker(channel, picture, never)).rejects.toThrow(/lost: it fell silent/);
  });
});

describe("a picture nobody wants any more", () => {
  it("leaves the batch and writes nothing", async () => {
    const modelPath = models.write("slow.onnx", await slowModel(0.1));
    const { channel, server } = await worker(modelPath, { pictures: 1, pixels: 1e6 });
    const { output, picture } = await stored();
    const stop = new AbortController();
    const long = { ...picture, restoration: { ...restoration, steps: 100 } };
    const abandoned = restoreOnWorker(channel, long, stop.signal);
    await delay(500);
    stop.abort(new Error("cancelled"));
    await expect(abandoned).rejects.toThrow("cancelled");
    // One chain at a time: had it gone on, this one would have to wait ten seconds.
    const started = performance.now();
    const quick = { ...picture, output: { ...picture.output, key: "b.png" }, measurement: undefined };
    await restoreOnWorker(channel, { ...quick, restoration: { ...restoration, steps: 2 } }, never);
    expect(performance.now() - started).toBeLessThan(4000);
    expect(await readdir(output)).toEqual(["b.png"]);
    expect(server.work.holds).toBe(0);
  });

  it("is not begun if it still waits", async () => {
    const modelPath = models.write("slow.onnx", await slowModel(0.05));
    const { channel, server } = await worker(modelPath, { pictures: 1, pixels: 1e6 });
    const { output, picture } = await stored();
    const stop = new AbortController();
    const pictures = Array.from({ length: 8 }, (_, i) => ({
      ...picture,
      measurement: undefined,
      output: { ...picture.output, key: `${i}.png` },
    }));
    const running = pictures.map((one, i) => restoreOnWorker(channel, one, i < 2 ? never : stop.signal));
    const ended = Promise.allSettled(running);
    await running[0];
    stop.abort(new Error("enough"));
    await ended;
    while (server.work.holds > 0) await delay(5);
    expect(await readdir(output)).toEqual(expect.arrayContaining(["0.png", "1.png"]));
    expect((await readdir(output)).length).toBeLessThan(5);
  });
});
