/**
 * deqfleet-nats, which joins the chart with NATS' own. That one has to be fetched, which tests cannot count on: a chart of its name
 * stands in for it that has no objects, or the real one, unpacked, where DEQFLEET_NATS_CHART says it lies.
 */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { violations } from "./policy.js";
import { chart, type Manifest, manifestsIn, pathOf, podsIn, ran } from "./rendered.js";

const real = process.env.DEQFLEET_NATS_CHART;
let folder: string;
let joined: string;
let manifests: Manifest[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-nats-chart-"));
  joined = join(folder, "deqfleet-nats");
  await cp(pathOf("helm/deqfleet-nats"), joined, { recursive: true });
  await cp(chart, join(joined, "charts/deqfleet"), { recursive: true });
  const nats = join(joined, "charts/nats");
  if (real) await cp(real, nats, { recursive: true });
  else {
    await mkdir(nats);
    const { dependencies } = parse(await readFile(join(joined, "Chart.yaml"), "utf8"));
    const { version } = dependencies.find(({ name }: { name: string }) => name === "nats");
    await writeFile(join(nats, "Chart.yaml"), `apiVersion: v2\nname: nats\nversion: ${version}\n`);
  }
  const { status, said } = ran("helm", ["template", "fleet", joined, "--kube-version", "1.34.0"]);
  expect(said).not.toMatch(/^Error/m);
  expect(status).toBe(0);
  manifests = manifestsIn(said);
}, 600_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the chart with NATS' own", () => {
  it("passes helm lint --strict", () => {
    const { status, said } = ran("helm", ["lint", "--strict", joined, "--kube-version", "1.34.0"]);
    expect(said).toContain("0 chart(s) failed");
    expect(status).toBe(0);
  });

  it("points coordinators, policies and scaling at the servers' names, and brings no server of its own", async () => {
    const values = parse(await readFile(join(joined, "values.yaml"), "utf8"));
    const name = values.nats.fullnameOverride;
    const files = manifests.find(({ data }) => data?.["coordinator.yaml"])?.data ?? {};
    const coordinator = parse(files["coordinator.yaml"]);
    expect(coordinator.nats).toEqual({ servers: [`nats://${name}:4222`], replicas: 3 });
    expect(values.nats.config.cluster).toEqual({ enabled: true, replicas: coordinator.nats.replicas });
    expect(values.deqfleet.nats.monitoring).toBe(`${name}-headless:8222`);
    expect(files["nats.conf"]).toBeUndefined();
    const policies = manifests.filter(({ kind }) => kind === "NetworkPolicy").map((one) => one.metadata.name);
    expect(policies).toContain(name);
    const fleet = manifests.find(
      ({ kind, metadata }) => kind === "NetworkPolicy" && metadata.name === "fleet-deqfleet-fleet",
    );
    expect(JSON.stringify(fleet)).toContain('"app.kubernetes.io/name":"nats"');
    if (!real) return;
    const services = manifests.filter(({ kind }) => kind === "Service").map((one) => one.metadata.name);
    expect(services).toEqual(expect.arrayContaining([name, `${name}-headless`]));
  });

  it("scales by the servers' monitoring, by a name that means the same in KEDA's namespace", async () => {
    const values = join(folder, "scaled.yaml");
    const resources = { requests: {}, limits: {} };
    const pools = [{ name: "cpu", resources, scaling: { enabled: true } }];
    await writeFile(values, JSON.stringify({ deqfleet: { pools } }));
    const { said } = ran("helm", [
      ...["template", "fleet", joined, "--kube-version", "1.34.0"],
      ...["--namespace", "photos", "--values", values],
    ]);
    expect(said).toContain("url: http://deqfleet-nats-headless.photos:8222/jsz?streams=true");
  });

  it("keeps to the policy, and is valid to Kubernetes", () => {
    const pods = podsIn(manifests).filter(({ name }) => !name.endsWith("-test-request-reply"));
    expect(pods.length).toBeGreaterThan(2);
    for (const { name, pod } of pods) expect([name, ...violations(pod)]).toEqual([name]);
    const { status, said } = ran(
      "kubeconform",
      ["-strict", "-schema-location", pathOf("test/chart/schemas/v1.34/{{.ResourceKind}}.json"), "-"],
      // Kubernetes takes null for nothing.
      JSON.stringify({ apiVersion: "v1", kind: "List", items: manifests }, (_, value) => value ?? undefined),
    );
    expect(said).toBe("");
    expect(status).toBe(0);
  });
});
