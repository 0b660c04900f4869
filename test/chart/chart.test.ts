/** The chart: rendered with every value set, against the schemas of two Kubernetes versions, a policy, and the program's own parsers. */
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import {
  coordinatorOptionsSchema,
  resolveCoordinatorSettings,
} from "../../shared/config/coordinator-settings.js";
import { readOptionsFile } from "../../shared/config/options.js";
import { submitOptionsSchema } from "../../shared/config/submit-options.js";
import { resolveWorkerSettings, workerOptionsSchema } from "../../shared/config/worker-settings.js";
import { ServiceProcess } from "../service-process.js";
import { violations } from "./policy.js";
import {
  chart,
  containersOf,
  type Manifest,
  manifestsIn,
  pathOf,
  podsIn,
  ran,
  template,
  templateOf,
  tool,
  valueSets,
} from "./rendered.js";

const program = pathOf("dist/cli/main.js");
const patience = 600_000;

let folder: string;
const rendered = new Map<string, string>();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-chart-"));
  tool("helm");
  for (const set of valueSets) rendered.set(set, templateOf(set));
}, patience);
afterAll(() => rm(folder, { recursive: true, force: true }));

const helps = new Map<string, string>();
/** What the program says of a command; asked once. */
function helpOf(command: string): string {
  const help =
    helps.get(command) ?? execFileSync(process.execPath, [program, command, "--help"], { encoding: "utf8" });
  helps.set(command, help);
  return help;
}

const manifestsOf = (set: string): Manifest[] => manifestsIn(rendered.get(set)!);

describe("the chart", () => {
  it("has at least six value sets", () => {
    expect(valueSets.length).toBeGreaterThanOrEqual(6);
  });

  it("passes its unit tests, and there is one for every template", async () => {
    const { status, said } = ran("helm-unittest", ["--strict", chart]);
    expect(said).toMatch(/Tests:\s+[1-9]\d* passed/);
    expect(status).toBe(0);
    const tests = await readFile(join(chart, "tests/chart_test.yaml"), "utf8");
    const templates = new Set(
      [...rendered.values()].flatMap((text) => text.match(/(?<=templates\/).*\.yaml/g) ?? []),
    );
    expect(templates.size).toBeGreaterThan(10);
    for (const name of templates) expect(tests).toContain(`template: ${name}`);
  });

  it("says in values.schema.json what the program's schemas say", async () => {
    const script = pathOf("scripts/generate-values-schema.js");
    const made = execFileSync(process.execPath, [script, "--print"], { encoding: "utf8" });
    expect(await readFile(join(chart, "values.schema.json"), "utf8")).toBe(made);
  });

  it.each([
    ["coordinator.config.silnce=1", /silnce/],
    ["coordinator.config.silence=0", /silence/],
    ["coordinator.config.listen=0.0.0.0:1", /listen/],
    ["pools[0].config.threads=0", /threads/],
    ["image.tag=latest", /tag/],
    ["nats.mode=some", /mode/],
    ["nonsense=1", /nonsense/],
    ["nats.monitoring=http://nats:8222", /monitoring/],
    ["serviceAccount.anotations.a=b", /anotations/],
  ])("refuses %s", (value, reason) => {
    const { status, said } = ran("helm", ["template", chart, "--kube-version", "1.34.0", "--set", value]);
    expect(status).not.toBe(0);
    expect(said).toMatch(reason);
  });
});

describe("a Job", () => {
  const nameWith = (...values: string[]) =>
    manifestsIn(template(["--values", join(chart, "ci", "mtls-values.yaml"), ...values]))
      .filter(({ kind }) => kind === "Job")
      .map(({ metadata }) => metadata.name)
      .join();

  it("is another one where anything of it changes, since Kubernetes refuses to change one", () => {
    const names = [
      nameWith(),
      nameWith("--set", "image.tag=0.2.0"),
      nameWith("--set", "jobs[0].restoration.task=colorize"),
      nameWith("--set", "s3.secret=keys"),
    ];
    expect(names[3]).toBe(names[0]);
    expect(new Set(names).size).toBe(3);
    expect(names[0]).toMatch(/^fleet-deqfleet-scans-[0-9a-f]{8}$/);
  });
});

describe.each(valueSets)("with %s", (set) => {
  it("passes helm lint --strict", () => {
    const { status, said } = ran("helm", [
      ...["lint", "--strict", chart, "--kube-version", "1.34.0"],
      ...["--values", join(chart, "ci", set)],
    ]);
    expect(said).toContain("1 chart(s) linted, 0 chart(s) failed");
    expect(status).toBe(0);
  });

  it.each(["v1.34", "v1.37"])("is valid to Kubernetes %s", (version) => {
    const { status, said } = ran(
      "kubeconform",
      [
        ...["-strict", "-output", "json", "-summary"],
        ...["-schema-location", pathOf(`test/chart/schemas/${version}/{{.ResourceKind}}.json`)],
        ...["-schema-location", pathOf("test/chart/schemas/custom/{{.ResourceKind}}.json")],
        "-",
      ],
      rendered.get(set)!,
    );
    const { resources = [], summary } = JSON.parse(said);
    expect(resources).toEqual([]);
    expect(summary).toMatchObject({ valid: manifestsOf(set).length, invalid: 0, errors: 0, skipped: 0 });
    expect(status).toBe(0);
  });

  it("keeps to the policy", () => {
    const pods = podsIn(manifestsOf(set));
    expect(pods.length).toBeGreaterThan(2);
    for (const { name, pod } of pods) expect([name, ...violations(pod)]).toEqual([name]);
  });

  it("lets pods out to the object storage and the broker that it names", async () => {
    const { s3, nats, networkPolicy } = parse(await readFile(join(chart, "ci", set), "utf8")) ?? {};
    const named: string[] = [...(s3?.endpoint ? [s3.endpoint] : []), ...(nats?.config?.servers ?? [])];
    const ports = (networkPolicy?.egress ?? []).flatMap((rule: { ports: { port: number }[] }) =>
      rule.ports.map(({ port }) => String(port)),
    );
    for (const address of named) expect(ports).toContain(new URL(address).port);
  });

  it("gives every pod the account and the secrets of registries that it is told", () => {
    const given = [
      "--set",
      "serviceAccount.create=false,serviceAccount.name=photos,imagePullSecrets[0].name=r",
    ];
    const pods = podsIn(manifestsIn(template(["--values", join(chart, "ci", set), ...given])));
    expect(pods.length).toBeGreaterThan(2);
    for (const { name, pod } of pods) {
      const { serviceAccountName, imagePullSecrets } = pod;
      expect([name, serviceAccountName, imagePullSecrets]).toEqual([name, "photos", [{ name: "r" }]]);
    }
  });

  it("gives the program flags and configuration files that it takes", async () => {
    const manifests = manifestsOf(set);
    const files = manifests.find(({ data }) => data?.["coordinator.yaml"])!.data!;
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const options = await readOptionsFile(join(folder, "coordinator.yaml"), coordinatorOptionsSchema, []);
    expect(resolveCoordinatorSettings({}, options, { cwd: "/" })).toMatchObject({
      listen: "0.0.0.0:7700",
      http: "0.0.0.0:8080",
    });
    for (const name of Object.keys(files).filter((file) => file.startsWith("worker-"))) {
      const worker = await readOptionsFile(join(folder, name), workerOptionsSchema, []);
      const settings = resolveWorkerSettings({}, worker, { cwd: "/", defaultModel: "prior.onnx" });
      expect(settings).toMatchObject({ listen: "0.0.0.0:7701", http: "0.0.0.0:8080" });
      expect(settings.tls === null).toBe(options.tlsCa === undefined);
    }
    for (const name of Object.keys(files).filter((file) => file.startsWith("job-"))) {
      await readOptionsFile(join(folder, name), submitOptionsSchema, []);
    }
    const commands = podsIn(manifests)
      .flatMap(({ pod }) => containersOf(pod))
      .filter(({ command }) => command === undefined)
      .map(({ args = [] }) => args);
    expect(commands.length).toBeGreaterThan(2);
    for (const [command, ...flags] of commands) {
      const help = helpOf(command!);
      for (const flag of flags.filter((text) => text.startsWith("--"))) {
        expect(help).toContain(`${flag.split("=")[0]} `);
      }
      const config = flags
        .find((flag) => flag.startsWith("--config="))
        ?.split("/")
        .at(-1);
      if (config !== undefined) expect(Object.keys(files)).toContain(config);
    }
  });
});

describe("the processes", () => {
  const started: ServiceProcess[] = [];
  afterEach(() => Promise.all(started.splice(0).map((one) => one.kill())));

  it("start from the chart's files and find each other", async () => {
    const manifests = manifestsIn(template(["--set", "nats.mode=none"]));
    const files = manifests.find(({ data }) => data?.["coordinator.yaml"])!.data!;
    const start = async (role: string, file: string, more: readonly string[], from: string, to: string) => {
      const path = join(folder, file);
      await writeFile(path, files[file]!.replaceAll(/0\.0\.0\.0:\d+/g, "127.0.0.1:0").replace(from, to));
      const one = ServiceProcess.start(role, `--config=${path}`, "--advertise=127.0.0.1:0", ...more);
      started.push(one);
      return one;
    };
    const jobs = join(folder, "jobs");
    const coordinator = await start("coordinator", "coordinator.yaml", [], "/var/lib/deqfleet", jobs);
    const [, address] = await coordinator.prints(
      /reached at (127\.0\.0\.1:\d+), HTTP on port \d+, API on port/,
    );
    const service = "fleet-deqfleet-coordinators:7700";
    expect(files["worker-cpu.yaml"]).toContain(service);
    const worker = await start("worker", "worker-cpu.yaml", ["--name=pod-1"], service, address!);
    await worker.prints(/serving: joined/);
    await coordinator.prints(/worker pod-1 joined/);
  });
});

describe("the checks themselves", () => {
  it("find what is wrong", () => {
    const bad = {
      containers: [{ name: "c", image: "deqfleet:latest" }],
      volumes: [{ name: "v", hostPath: {} }],
    };
    expect(violations(bad)).toEqual(
      expect.arrayContaining(["runAsNonRoot", "c: image deqfleet:latest", "c: limits.cpu"]),
    );
    expect(violations(bad)).toContain("volume v: hostPath");
    const text = template([]).replace("replicas: 2", "replicsa: 2");
    const location = pathOf("test/chart/schemas/v1.34/{{.ResourceKind}}.json");
    expect(ran("kubeconform", ["-strict", "-schema-location", location, "-"], text).said).toContain(
      "replicsa",
    );
  });
});
