import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { fleetServerName, makeDevelopmentCertificates } from "../../shared/security/development-authority.js";
import { listenOn } from "../../shared/security/socket-security.js";
import { RoundHall } from "../../shared/wire/round-hall.js";
import { tlsFiles } from "../../test/tls-files.js";
import { RoundSockets } from "./round-sockets.js";

let folder: string;
const tlsOf = (set: string, role: string, serverName: string | null = null) =>
  tlsFiles(join(folder, set), role, serverName);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-rounds-"));
  await makeDevelopmentCertificates(join(folder, "here"), ["127.0.0.1"], 1);
  await makeDevelopmentCertificates(join(folder, "elsewhere"), ["127.0.0.1"], 1);
  // It trusts the coordinator, which does not trust it.
  await makeDevelopmentCertificates(join(folder, "stranger"), ["127.0.0.1"], 1);
  await copyFile(join(folder, "here", "ca.pem"), join(folder, "stranger", "ca.pem"));
});
afterAll(() => rm(folder, { recursive: true }));

let halls: RoundHall[] = [];
afterEach(() => {
  for (const hall of halls) hall.close();
  halls = [];
});

async function opened(role: ReturnType<typeof tlsOf> | null) {
  const hall = await RoundHall.listen("127.0.0.1:0", role);
  halls.push(hall);
  return { hall, address: `127.0.0.1:${hall.name}` };
}

/** Comes for a slice that was announced. @returns whether rounds pass, and what was told */
async function follow(hall: RoundHall, address: string, tls: ReturnType<typeof tlsOf> | null) {
  const troubles: string[] = [];
  const sockets = new RoundSockets(tls, (where, reason) => troubles.push(`${where} ${reason}`));
  const token = randomUUID();
  hall.announce(token);
  const worker = await sockets.follow(address, token);
  const coordinator = hall.take(token);
  await coordinator?.write([{ round: { round: 7 } }]);
  const round = (await worker?.next())?.round?.round;
  return { round, troubles, sockets };
}

describe("RoundSockets", () => {
  it("comes to a coordinator in the clear, and by mutual TLS, whatever the name in the certificates", async () => {
    const plain = await opened(null);
    expect(await follow(plain.hall, plain.address, null)).toMatchObject({ round: 7, troubles: [] });
    const secure = await opened(tlsOf("here", "coordinator"));
    for (const name of [null, fleetServerName]) {
      const found = await follow(secure.hall, secure.address, tlsOf("here", "worker", name));
      expect(found).toMatchObject({ round: 7, troubles: [] });
    }
  });

  it.each([
    ["a coordinator of another authority", "elsewhere", "here", 1],
    // To which the worker had joined before, if it were no test.
    ["a coordinator that does not trust it", "here", "stranger", 0],
  ] as const)("has no rounds pass with %s", async (_, coordinator, worker, told) => {
    const { hall, address } = await opened(tlsOf(coordinator, "coordinator"));
    const { round, troubles } = await follow(hall, address, tlsOf(worker, "worker"));
    expect(round).toBeUndefined();
    expect(troubles).toHaveLength(told);
  });

  it("has none pass where one side is encrypted and the other is not", async () => {
    const secure = await opened(tlsOf("here", "coordinator"));
    expect((await follow(secure.hall, secure.address, null)).round).toBeUndefined();
    const plain = await opened(null);
    expect((await follow(plain.hall, plain.address, tlsOf("here", "worker"))).round).toBeUndefined();
  }, 20_000);

  it("tries what it cannot reach again after a while, longer every time, and does without an address that is none", async () => {
    const unused = createServer();
    const address = `127.0.0.1:${await listenOn(unused, "127.0.0.1:0")}`;
    await new Promise((resolve) => unused.close(resolve));
    let clock = 0;
    const troubles: string[] = [];
    const sockets = new RoundSockets(
      null,
      (_, reason) => troubles.push(reason),
      () => clock,
    );
    for (const [at, tries] of [
      [0, 1],
      [4_999, 1],
      [5_000, 2],
      [14_999, 2],
      [15_000, 3],
    ]) {
      clock = at!;
      expect(await sockets.follow(address, "a")).toBeUndefined();
      expect(troubles).toHaveLength(tries!);
    }
    expect(troubles[0]).toContain("ECONNREFUSED");
    const hall = await RoundHall.listen(address, null);
    halls.push(hall);
    hall.announce("b");
    expect(await sockets.follow(address, "b")).toBeUndefined();
    clock = 35_000;
    expect(await sockets.follow(address, "b")).toBeDefined();
    for (const none of ["", "nowhere"]) expect(await sockets.follow(none, "c")).toBeUndefined();
    expect(troubles).toHaveLength(3);
  });

  it("holds it against no coordinator that it does not know a slice any more", async () => {
    const { hall, address } = await opened(null);
    const troubles: string[] = [];
    const sockets = new RoundSockets(null, (_, reason) => troubles.push(reason));
    expect(await sockets.follow(address, "gone")).toBeUndefined();
    hall.announce("next");
    expect(await sockets.follow(address, "next")).toBeDefined();
    expect(troubles).toEqual([]);
  });

  it("a certificate is held against an address that is given as its name, too", async () => {
    const { hall, address } = await opened(tlsOf("here", "coordinator"));
    expect(await follow(hall, address, tlsOf("here", "worker", "127.0.0.1"))).toMatchObject({ round: 7 });
    const other = await follow(hall, address, tlsOf("here", "worker", "127.0.0.9"));
    expect(other.troubles).toEqual([expect.stringContaining("127.0.0.9")]);
  });

  it("a connection that never shows a certificate is ended, and keeps no server from ending", async () => {
    const { hall, address } = await opened(tlsOf("here", "coordinator"));
    const silent = () =>
      connect({ host: "127.0.0.1", port: Number(address.split(":")[1]) }).on("error", () => {});
    const first = silent();
    await once(first, "close");
    const second = silent();
    await once(second, "connect");
    hall.close();
    await once(second, "close");
  }, 20_000);
});
