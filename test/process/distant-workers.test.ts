/** Workers as on other machines: reached under this machine's own address, and not by the memory it shares with them. */
import { mkdtemp, rm } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startCoordinator } from "../../coordinator/process.js";
import { PrefixScan } from "../../coordinator/solver/prefix-scan.js";
import { solveSerial, solveTimeParallel } from "../../coordinator/solver/solve-chain.js";
import { resolveCoordinatorSettings } from "../../shared/config/coordinator-settings.js";
import { makeDevelopmentCertificates } from "../../shared/security/development-authority.js";
import { transportSecurity } from "../../shared/security/transport-security.js";
import { wireTotals } from "../../shared/wire/wire-traffic.js";
import { ClusterFixture } from "../cluster-fixture.js";
import { never } from "../fleet-fixture.js";
import { ModelFolder, smoothModel } from "../models.js";
import { psnr } from "../seeded-values.js";
import { operatorOf, taskSamples } from "../task-samples.js";
import { toyChain } from "../toy-chain.js";

const models = new ModelFolder();
const model = models.write("smooth.onnx", smoothModel());
const cluster = new ClusterFixture();
const own = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;
let certificates: string;
beforeAll(async () => {
  if (own === undefined) throw new Error("this machine has no address but its loopback");
  certificates = await mkdtemp(join(tmpdir(), "deqfleet-distant-"));
  await makeDevelopmentCertificates(certificates, ["127.0.0.1", own], 1);
});
afterAll(async () => {
  await cluster.close();
  models.remove();
  await rm(certificates, { recursive: true });
});

/** Bytes that have come back for open slices, by way. */
const received = () =>
  Object.fromEntries(
    wireTotals()
      .filter(({ call, direction }) => call === "OpenSlice" && direction === "received")
      .map(({ way, bytes }) => [way, bytes]),
  );

const tlsOf = (role: string) => ({
  tlsCa: join(certificates, "ca.pem"),
  tlsCert: join(certificates, `${role}.pem`),
  tlsKey: join(certificates, `${role}-key.pem`),
});

it.each([
  ["with certificates", true, undefined, "socket"],
  ["in the clear", false, undefined, "socket"],
  ["whose coordinator has no port for rounds", false, "off", "grpc"],
  // Nobody is reached there; tests have no right to close a port.
  ["that cannot reach the port for rounds", false, "127.0.0.2:0", "grpc"],
] as const)("two workers %s: rounds of a cut chain come as they should", async (_, secure, rounds, way) => {
  const options = { listen: `${own}:0`, ...(rounds && { rounds }), ...(secure ? tlsOf("coordinator") : {}) };
  const settings = resolveCoordinatorSettings(options, {}, { cwd: tmpdir() });
  const security = await transportSecurity(settings.tls);
  const coordinator = await startCoordinator({ settings, onEvent: () => {}, security });
  const scan = new PrefixScan();
  try {
    const { tlsCa, tlsCert, tlsKey } = tlsOf("worker");
    const flags = secure ? ["--tls-ca", tlsCa, "--tls-cert", tlsCert, "--tls-key", tlsKey] : [];
    const workers = ["a", "b"].map((name) =>
      cluster.worker([coordinator.address], model, "--name", name, "--listen", `${own}:0`, ...flags),
    );
    await expect.poll(() => coordinator.workers.members().length, { timeout: 60_000 }).toBe(2);
    const { hash } = coordinator.workers.members()[0]!.network;
    const chain = toyChain({ steps: 12, method: "secant" });
    const group = await coordinator.workers.acquireGroup({ model: hash, slices: 2, signal: never });
    const before = received();
    const parts = { host: group.host, scan, operator: operatorOf(taskSamples[0]!) };
    const cut = await solveTimeParallel(chain, { tolerance: 1e-3, maxRounds: undefined }, parts, never);
    const after = received();
    const serial = await solveSerial(chain, group.host, 0, never);
    group.release();
    expect(cut).toMatchObject({ converged: true, losses: 0 });
    expect(psnr(cut.picture, serial.picture)).toBeGreaterThan(50);
    const came = (by: string) => (after[by] ?? 0) - (before[by] ?? 0);
    // Most rounds bring a state of 768 bytes, and more; by gRPC comes the last state in any case.
    expect(came("lane")).toBe(0);
    if (way === "socket") expect(came("socket")).toBeGreaterThan(2 * 768);
    else expect(came("socket")).toBe(0);
    const told = () => workers.filter(({ output }) => output.includes("come in gRPC messages"));
    await expect.poll(() => told().length).toBe(rounds === "127.0.0.2:0" ? 2 : 0);
  } finally {
    await scan.release();
    await coordinator.close();
    await cluster.close();
  }
});

it("a port for rounds that is taken is an error", async () => {
  const first = cluster.start("coordinator", "--listen", "127.0.0.1:0");
  const [, address] = await first.prints(/reached at (\S+)/);
  const second = cluster.start("coordinator", "--listen", "127.0.0.1:0", "--rounds", address!);
  expect(await second.ended()).toBe(2);
  expect(second.output).toContain(`deqfleet: cannot listen on ${address} for rounds`);
});
