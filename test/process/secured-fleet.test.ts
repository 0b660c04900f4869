/** A coordinator and its workers with certificates, metrics and structured logs, as a cluster runs them. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { makeDevelopmentCertificates } from "../../shared/security/development-authority.js";
import { ClusterFixture } from "../cluster-fixture.js";
import { ModelFolder, nullModel } from "../models.js";
import { scrape } from "../watched-process.js";

const models = new ModelFolder();
const model = models.write("null.onnx", nullModel());
const cluster = new ClusterFixture();
let certificates: string;
beforeAll(async () => {
  certificates = await mkdtemp(join(tmpdir(), "deqfleet-certificates-"));
  await makeDevelopmentCertificates(join(certificates, "ours"), ["127.0.0.1"], 1);
  await makeDevelopmentCertificates(join(certificates, "theirs"), ["127.0.0.1"], 1);
});
afterEach(() => cluster.close());
afterAll(async () => {
  models.remove();
  await rm(certificates, { recursive: true });
});

const tls = (set: "ours" | "theirs", role: string) => [
  ...["--tls-ca", join(certificates, set, "ca.pem")],
  ...["--tls-cert", join(certificates, set, `${role}.pem`)],
  ...["--tls-key", join(certificates, set, `${role}-key.pem`)],
];
const http = ["--http", "127.0.0.1:0"];

describe("a fleet with certificates", () => {
  it("takes workers of its authority, and no others", async () => {
    const coordinator = cluster.start(
      "coordinator",
      "--listen",
      "127.0.0.1:0",
      ...http,
      ...tls("ours", "coordinator"),
    );
    const [, address, port] = await coordinator.prints(/reached at (\S+), HTTP on port (\d+)/);
    const worker = cluster.worker([address], model, "--name", "ours", ...http, ...tls("ours", "worker"));
    await coordinator.prints(/worker ours joined/);
    const stranger = cluster.worker([address], model, "--name", "theirs", ...tls("theirs", "worker"));
    await stranger.prints(new RegExp(`coordinator ${address}: `));
    const plain = cluster.worker([address], model, "--name", "plain");
    await plain.prints(new RegExp(`coordinator ${address}: `));

    // Probes and metrics have no certificates, and need none.
    const [, workerPort] = await worker.prints(/HTTP on port (\d+)/);
    await expect.poll(async () => (await scrape(port)).get('deqfleet_workers{state="serving"}')).toBe(1);
    const own = await scrape(workerPort);
    expect(own.get('deqfleet_worker_state{state="serving"}')).toBe(1);
    expect(own.get('deqfleet_worker_state{state="joining"}')).toBe(0);
    expect(own.get("nodejs_eventloop_lag_seconds")).toBeGreaterThanOrEqual(0);
    expect(coordinator.output).not.toMatch(/theirs|plain/);
    const listing = cluster.start("workers", "--coordinator", address, ...tls("ours", "worker"));
    expect(await listing.ended()).toBe(0);
    expect(listing.output).toMatch(/^ours +serving/m);
    const denied = cluster.start("workers", "--coordinator", address, ...tls("theirs", "worker"));
    expect(await denied.ended()).toBe(3);

    worker.signal("SIGKILL");
    await coordinator.prints(/worker ours lost/);
    const after = await scrape(port);
    expect(after.get("deqfleet_worker_losses_total")).toBe(1);
    expect(after.get('deqfleet_workers{state="serving"}')).toBe(0);
  });

  it("has jobs from its own processes, and from clients that know it and show a token", async () => {
    const tokens = join(certificates, "tokens");
    await writeFile(tokens, "0123456789abcdef0123456789abcdef\n");
    const start = (...flags: string[]) =>
      cluster.start(
        ...["coordinator", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"],
        ...["--data", join(certificates, `jobs-${flags.length}`), ...tls("ours", "coordinator"), ...flags],
      );
    const jobs = async (address: string, ...flags: string[]) => {
      const listing = cluster.start("jobs", "--coordinator", address, ...flags);
      return { code: await listing.ended(), output: listing.output };
    };
    const authority = ["--tls-ca", join(certificates, "ours", "ca.pem")];
    const coordinator = start("--api-tokens", tokens);
    const [, fleet, api] = await coordinator.prints(/reached at (\S+), API on port (\d+)/);
    expect(await jobs(`127.0.0.1:${api}`, ...authority, "--token-file", tokens)).toMatchObject({ code: 0 });
    expect(await jobs(`127.0.0.1:${api}`, ...authority)).toMatchObject({ code: 2 });
    expect(await jobs(fleet, ...tls("ours", "client"))).toMatchObject({ code: 0 });
    expect(await jobs(fleet, ...authority, "--token-file", tokens)).toMatchObject({ code: 3 });
    expect(coordinator.output).not.toContain("everybody");
    // Without tokens it says what that means.
    const open = start();
    const [, port] = await open.prints(/API on port (\d+)/);
    expect(open.output).toContain("takes jobs from everybody who reaches it: give --api-tokens");
    expect(await jobs(`127.0.0.1:${port}`, ...authority)).toMatchObject({ code: 0 });
  });

  it("refuses to start with a part of its files", async () => {
    const [ca, path] = tls("ours", "coordinator");
    const coordinator = cluster.start("coordinator", "--listen", "127.0.0.1:0", ca, path);
    expect(await coordinator.ended()).toBe(2);
    expect(coordinator.output).toMatch(/--tls-ca, --tls-cert and --tls-key belong together/);
  });
});

describe("structured logs", () => {
  it("tell of the same events, one JSON object a line", async () => {
    const coordinator = cluster.start("coordinator", "--listen", "127.0.0.1:0", "--log", "json");
    const [, address] = await coordinator.prints(/"address":"([^"]+)"/);
    const worker = cluster.worker([address], model, "--name", "w", "--log", "json");
    await worker.prints(/"state":"serving"/);
    await coordinator.prints(/"worker":"w"/);
    const lines = coordinator.output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toContainEqual(
      expect.objectContaining({ level: "info", role: "coordinator", kind: "joined", worker: "w" }),
    );
  });
});
