/**
 * The `helm` commands of docs/kubernetes.md, one after the other, as helm itself carries them out: with releases that it keeps in
 * memory, and an API server that knows its version and nothing else. What becomes of the values given, kept and merged is helm's own.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Manifest, manifestsIn, pathOf, podsIn, tool } from "./rendered.js";

const run = promisify(execFile);

interface Release {
  readonly info: { readonly notes: string };
  readonly manifest: string;
}

/** Lines of the page that are set as code, without their indentation; continued ones are one. */
const codeIn = (page: string): string[] =>
  page
    .replaceAll(/ \\\n +/g, " ")
    .split("\n")
    .map((line) => (line.startsWith("    ") ? line.slice(4) : ""));

/** Files that the page shows: a comment with the name, then all up to an empty line. */
function filesIn(code: readonly string[]): Map<string, string> {
  const files = new Map<string, string>();
  for (const [i, line] of code.entries()) {
    const [, name] = /^# (\S+\.yaml)$/.exec(line) ?? [];
    if (name) files.set(name, code.slice(i, code.indexOf("", i)).join("\n"));
  }
  return files;
}

let folder: string;
let server: Server;
let commands: string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-commands-"));
  await symlink(pathOf("helm"), join(folder, "helm"));
  const code = codeIn(await readFile(pathOf("docs/kubernetes.md"), "utf8"));
  for (const [name, text] of filesIn(code)) await writeFile(join(folder, name), text);
  commands = code.filter((line) => /^helm (install|upgrade) /.test(line));
  server = createServer(({ url = "" }, response) => {
    const answer = url.startsWith("/version")
      ? { major: "1", minor: "34", gitVersion: "v1.34.0" }
      : url.startsWith("/apis")
        ? { kind: "APIGroupList", apiVersion: "v1", groups: [] }
        : { kind: "APIVersions", versions: [] };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  tool("helm");
}, 600_000);
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true, force: true });
});

/** Carries out a command. @param present the release that there is */
async function carryOut(command: string, present?: Release): Promise<Release> {
  const releases = join(folder, "releases.json");
  await writeFile(releases, JSON.stringify(present ? [present] : []));
  const { port } = server.address() as AddressInfo;
  const path = `${dirname(tool("helm"))}:${process.env.PATH}`;
  const env = { ...process.env, PATH: path, HELM_DRIVER: "memory", HELM_MEMORY_DRIVER_DATA: releases };
  const flags = `--kube-apiserver http://127.0.0.1:${port} --output json`;
  const { stdout } = await run("sh", ["-c", `${command} ${flags}`], { cwd: folder, env, maxBuffer: 1 << 26 });
  return JSON.parse(stdout) as Release;
}

const deployment = (release: Release, name: string) =>
  manifestsIn(release.manifest).find(({ kind, metadata }) => kind === "Deployment" && metadata.name === name);

/** Images of the fleet's own Deployments. */
const imagesOf = (release: Release): string[] =>
  podsIn(manifestsIn(release.manifest).filter(({ kind }) => kind === "Deployment")).flatMap(({ pod }) =>
    pod.containers.map(({ image }) => image),
  );

const policyOf = ({ manifest }: Release): Manifest | undefined =>
  manifestsIn(manifest).find(
    ({ kind, metadata }) => kind === "NetworkPolicy" && metadata.name.endsWith("-fleet"),
  );

describe("the commands", () => {
  it("install, upgrade and scale a fleet, each going on from the one before", async () => {
    const done: { command: string; release: Release }[] = [];
    for (const command of commands) {
      done.push({ command, release: await carryOut(command, done.at(-1)?.release) });
    }
    const releasesOf = (pattern: RegExp) => {
      const found = done.filter(({ command }) => pattern.test(command));
      expect(found.length, String(pattern)).toBeGreaterThan(0);
      return found.map(({ release }) => release);
    };

    const [installed] = releasesOf(/^helm install/);
    const containers = podsIn(manifestsIn(installed!.manifest)).flatMap(({ pod }) => pod.containers);
    expect(JSON.stringify(containers)).toContain('"AWS_ENDPOINT_URL_S3","value":"https://');
    expect(JSON.stringify(policyOf(installed!))).toContain('{"ports":[{"port":443}]}');
    expect(installed!.info.notes).toContain("deqfleet submit s3://photos/damaged");
    expect(installed!.info.notes).not.toContain("needs these values");

    for (const release of releasesOf(/image\.tag=0\.2\.0/)) {
      const images = imagesOf(release);
      expect(images.length).toBeGreaterThan(1);
      for (const image of images) expect(image).toMatch(/^registry\.example\/deqfleet:0\.2\.0(-cuda)?$/);
    }
    for (const release of releasesOf(/replicas=8/)) {
      const pool = JSON.stringify(deployment(release, "fleet-deqfleet-worker-gpu"));
      expect(pool).toContain('"replicas":8');
      expect(pool).toContain('"nvidia.com/gpu":1');
      expect(imagesOf(release)).toContain("registry.example/deqfleet:0.1.0-cuda");
    }
  });

  it("that set one element of a list need the list: with values that are kept it would be all there is", async () => {
    const install = "helm install fleet helm/deqfleet -f fleet.yaml -f gpu.yaml";
    const present = await carryOut(install);
    for (const kept of ["--reuse-values", "--reset-then-reuse-values"]) {
      const command = `helm upgrade fleet helm/deqfleet ${kept} --set 'pools[0].replicas=8'`;
      await expect(carryOut(command, present)).rejects.toThrow(/missing properties 'name', 'resources'/);
    }
  });
});

describe("the notes of an installation", () => {
  const notesWith = async (...values: string[]) => {
    const command = ["helm install fleet helm/deqfleet", ...values.map((value) => `--set '${value}'`)];
    return (await carryOut(command.join(" "))).info.notes;
  };
  const egress = "networkPolicy.egress[0].ports[0].port=443";

  it("name what object storage still lacks", async () => {
    const bare = await notesWith();
    expect(bare).toContain("s3.secret");
    expect(bare).toContain("networkPolicy.egress");
    expect(await notesWith(egress)).not.toContain("networkPolicy.egress");
    const identified = await notesWith("serviceAccount.annotations.role=photos");
    expect(identified).not.toContain("s3.secret");
    expect(identified).toContain("networkPolicy.egress");
    expect(await notesWith(egress, "s3.secret=keys")).not.toContain("needs these values");
  });

  it("submit a folder where there is one, with what the API asks for", async () => {
    const notes = await notesWith(
      "datasets[0].name=photos,datasets[0].claim=photos,datasets[0].mountPath=/data/photos",
      "api.tokensSecret=tokens,tls.enabled=true,tls.secret=certificates",
    );
    expect(notes).toMatch(
      /deqfleet submit \/data\/photos\/damaged --out \/data\/photos\/restored .*--wait 600 --token-file TOKEN --tls-ca CA\.crt --tls-server-name deqfleet$/m,
    );
    expect(notes).not.toContain("needs these values");
  });
});
