import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { connect, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RetryableError } from "../errors.js";
import { type CommandSocket, type EventSocket, followLane, LaneHall } from "./lane-socket.js";
import { laneName, sweepLanes } from "./tensor-lane.js";

const report = {
  residuals: [0.5, Number.NaN, Number.POSITIVE_INFINITY],
  transferRange: 1,
  transferNull: 2,
  evaluations: 3,
};

describe("a hall of lanes", () => {
  let folder: string;
  let hall: LaneHall;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "deqfleet-hall-"));
    const opened = await LaneHall.open(folder);
    if (!opened) throw new Error("no hall");
    hall = opened;
  });
  afterEach(async () => {
    hall.close();
    await rm(folder, { recursive: true });
  });

  async function connected(): Promise<{ coordinator: CommandSocket; worker: EventSocket }> {
    const lane = laneName();
    const worker = await followLane(join(folder, hall.name), lane);
    const coordinator = hall.take(lane);
    if (!worker || !coordinator) throw new Error("not connected");
    return { coordinator, worker };
  }

  it("carries commands one way and events the other, as they are", async () => {
    const { coordinator, worker } = await connected();
    await coordinator.write([{ round: { round: 3, evaluateFrom: 2, evaluateTo: 9 } }]);
    await worker.write([{ round: report }]);
    const command = (await worker.next())?.round;
    expect(command).toMatchObject({ round: 3, evaluateTo: 9 });
    expect(command?.correctFrom).toBeUndefined();
    expect((await coordinator.next())?.round).toMatchObject(report);
  });

  it("carries tensors in chunks larger than the system takes at once, in order", async () => {
    const { coordinator, worker } = await connected();
    const chunks = [1, 2, 3].map((value) => ({ chunk: { data: Buffer.alloc(1024 * 1024, value) } }));
    await worker.write([{ round: report }, ...chunks]);
    expect((await coordinator.next())?.round).toBeTruthy();
    for (const { chunk } of chunks) {
      const found = (await coordinator.nextChunk()).data;
      if (!chunk.data.equals(found)) expect.fail(`a chunk of ${found.length} bytes arrived damaged`);
    }
  });

  it("refuses another message, or the end, where a chunk is due", async () => {
    const { coordinator, worker } = await connected();
    await worker.write([{ round: report }]);
    await expect(coordinator.nextChunk()).rejects.toThrow(RetryableError);
    const waiting = coordinator.nextChunk();
    worker.close();
    await expect(waiting).rejects.toThrow(/in the middle of a tensor/);
  });

  it("ends for both sides when one closes it, and has then nothing to take", async () => {
    const { coordinator, worker } = await connected();
    const next = worker.next();
    coordinator.close();
    expect(await next).toBeUndefined();
    expect(await worker.next()).toBeUndefined();
    expect(hall.take(laneName())).toBeUndefined();
  });

  it("hands a connection over once, and keeps those apart that came for different lanes", async () => {
    const [a, b] = [laneName(), laneName()];
    const path = join(folder, hall.name);
    const [first, second] = await Promise.all([followLane(path, a), followLane(path, b)]);
    await first?.write([{ round: { ...report, evaluations: 1 } }]);
    await second?.write([{ round: { ...report, evaluations: 2 } }]);
    expect((await hall.take(b)?.next())?.round?.evaluations).toBe(2);
    expect((await hall.take(a)?.next())?.round?.evaluations).toBe(1);
    expect(hall.take(a)).toBeUndefined();
  });

  it("hangs up on a frame that is too long", async () => {
    const socket = connect({ path: join(folder, hall.name) });
    const closed = new Promise((resolve) => socket.on("close", resolve));
    socket.on("error", () => {});
    const length = Buffer.alloc(4);
    length.writeUInt32LE(2 ** 31);
    socket.write(length);
    await closed;
  });

  it("outlives connections that it cannot take", async () => {
    let server: Server | undefined;
    const watch = (message: unknown) => {
      server = (message as { socket: Socket & { server: Server } }).socket.server;
    };
    subscribe("net.server.socket", watch);
    await connected();
    unsubscribe("net.server.socket", watch);
    const outOfFiles = Object.assign(new Error("accept EMFILE"), { code: "EMFILE", syscall: "accept" });
    // As Node says it; an error that nobody hears is thrown.
    for (let i = 0; i < 3; i++) expect(server?.emit("error", outOfFiles)).toBe(true);
    await connected();
  });

  it("is not there for others once closed, and leaves no name", async () => {
    const path = join(folder, hall.name);
    hall.close();
    expect(await followLane(path, laneName())).toBeUndefined();
    await vi.waitFor(async () => expect(await readdir(folder)).toEqual([]));
  });

  it("survives a sweep while its process runs", () => {
    sweepLanes(folder);
    return connected();
  });
});

it("needs a folder that takes sockets", async () => {
  const folder = await mkdtemp(join(tmpdir(), "deqfleet-hall-"));
  try {
    const file = join(folder, "file");
    await writeFile(file, "");
    expect(await LaneHall.open(file)).toBeUndefined();
  } finally {
    await rm(folder, { recursive: true });
  }
});
