import { randomUUID } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { connect, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RetryableError } from "../errors.js";
import { RoundHall } from "./round-hall.js";
import { type CommandSocket, type EventSocket, followRounds } from "./round-socket.js";
import { receiveFloat32, tensorBehind } from "./tensor-codec.js";
import { sweepLanes } from "./tensor-lane.js";

const report = {
  residuals: [0.5, Number.NaN, Number.POSITIVE_INFINITY],
  transferRange: 1,
  transferNull: 2,
  evaluations: 3,
};

describe.each(["in a folder", "on a port"])("a hall for rounds %s", (where) => {
  let folder: string;
  let hall: RoundHall;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "deqfleet-hall-"));
    const opened =
      where === "in a folder"
        ? await RoundHall.inFolder(folder)
        : await RoundHall.listen("127.0.0.1:0", null);
    if (!opened) throw new Error("no hall");
    hall = opened;
  });
  afterEach(async () => {
    hall.close();
    await rm(folder, { recursive: true });
  });

  const dialled = (): Socket =>
    where === "in a folder"
      ? connect({ path: join(folder, hall.name) })
      : connect({ host: "127.0.0.1", port: Number(hall.name) });

  async function connected(): Promise<{ coordinator: CommandSocket; worker: EventSocket }> {
    const token = randomUUID();
    hall.announce(token);
    const worker = await followRounds(dialled(), token);
    const coordinator = hall.take(token);
    if (typeof worker === "string" || !coordinator) throw new Error(`not connected: ${worker}`);
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
  });

  it("hands a connection over once, and keeps those apart that came for different slices", async () => {
    const [a, b] = [randomUUID(), randomUUID()];
    hall.announce(a);
    hall.announce(b);
    const [first, second] = await Promise.all([followRounds(dialled(), a), followRounds(dialled(), b)]);
    if (typeof first === "string" || typeof second === "string") throw new Error("not connected");
    await first.write([{ round: { ...report, evaluations: 1 } }]);
    await second.write([{ round: { ...report, evaluations: 2 } }]);
    expect((await hall.take(b)?.next())?.round?.evaluations).toBe(2);
    expect((await hall.take(a)?.next())?.round?.evaluations).toBe(1);
    expect(hall.take(a)).toBeUndefined();
  });

  it("knows nobody who names no slice that is to be opened, or one that somebody came for", async () => {
    const token = randomUUID();
    expect(await followRounds(dialled(), token)).toBe("refused");
    hall.announce(token);
    expect(typeof (await followRounds(dialled(), token))).not.toBe("string");
    expect(await followRounds(dialled(), token)).toBe("refused");
    hall.take(token);
    expect(await followRounds(dialled(), token)).toBe("refused");
  });

  it("carries tensors behind their messages as they are, of any size that was permitted", async () => {
    const { coordinator, worker } = await connected();
    coordinator.permit(4 * 2_000_000);
    for (const count of [1, 70_000, 2_000_000]) {
      const values = Float32Array.from({ length: count }, (_, i) => i / 7);
      await worker.write([{ round: { ...report, exit: tensorBehind(values) } }], values);
      const exit = (await coordinator.next())?.round?.exit;
      if (!exit) throw new Error("no tensor");
      const found = await receiveFloat32(exit, coordinator, count);
      expect(Buffer.from(found.buffer).equals(Buffer.from(values.buffer))).toBe(true);
    }
  });

  it("refuses a tensor that is damaged, of another length, or cut off", async () => {
    const { coordinator, worker } = await connected();
    const values = Float32Array.of(1, 2, 3);
    const receive = async (due: number) => {
      const exit = (await coordinator.next())?.round?.exit;
      return exit && receiveFloat32(exit, coordinator, due);
    };
    const message = { round: { ...report, exit: tensorBehind(values) } };
    await worker.write([message], Float32Array.of(1, 2, 4));
    await expect(receive(3)).rejects.toThrow(/arrived damaged/);
    await worker.write([message], Float32Array.of(1, 2));
    await expect(receive(3)).rejects.toThrow(/shape \[3\] came with 8 bytes/);
    await worker.write([message]);
    await expect(receive(4)).rejects.toThrow(/3 numbers came where 4 were due/);
    const cut = receive(3);
    await worker.write([message]);
    worker.close();
    await expect(cut).rejects.toThrow(/in the middle of a tensor/);
  });

  it("hangs up on a tensor larger than was permitted", async () => {
    const { coordinator, worker } = await connected();
    const values = new Float32Array(2_000_000);
    await worker.write([{ round: { ...report, exit: tensorBehind(values) } }], values);
    expect((await coordinator.next())?.round).toBeTruthy();
    expect(await coordinator.next()).toBeUndefined();
  });

  it("hangs up on a frame that is too long", async () => {
    const socket = dialled();
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

  it("is not there for others once closed", async () => {
    const token = randomUUID();
    hall.announce(token);
    hall.close();
    expect(await followRounds(dialled(), token)).toBe("unreached");
  });

  it("has time for so many strangers, and for each so long, however it drips", async () => {
    const closed: number[] = [];
    const strangers = Array.from({ length: 257 }, (_, i) => {
      const socket = dialled().on("error", () => {});
      socket.on("close", () => closed.push(i));
      return socket;
    });
    await vi.waitFor(() => expect(closed).toHaveLength(1), { timeout: 4000 });
    const length = Buffer.alloc(4);
    length.writeUInt32LE(200);
    for (const socket of strangers) socket.write(length);
    const drip = setInterval(() => {
      for (const socket of strangers) if (!socket.destroyed) socket.write("x");
    }, 500);
    await vi.waitFor(() => expect(closed).toHaveLength(257), { timeout: 9000 });
    clearInterval(drip);
    await connected();
  }, 20_000);
});

describe("a hall for rounds in a folder", () => {
  it("leaves no name once closed, and survives a sweep while its process runs", async () => {
    const folder = await mkdtemp(join(tmpdir(), "deqfleet-hall-"));
    const hall = await RoundHall.inFolder(folder);
    if (!hall) throw new Error("no hall");
    sweepLanes(folder);
    hall.announce("slice");
    const found = await followRounds(connect({ path: join(folder, hall.name) }), "slice");
    expect(typeof found).not.toBe("string");
    hall.close();
    await vi.waitFor(async () => expect(await readdir(folder)).toEqual([]));
    await rm(folder, { recursive: true });
  });
});

it("needs a folder that takes sockets", async () => {
  const folder = await mkdtemp(join(tmpdir(), "deqfleet-hall-"));
  try {
    const file = join(folder, "file");
    await writeFile(file, "");
    expect(await RoundHall.inFolder(file)).toBeUndefined();
  } finally {
    await rm(folder, { recursive: true });
  }
});
