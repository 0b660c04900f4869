// Writes test/chart/schemas: JSON schemas of the kinds that the chart makes, for two versions of Kubernetes and for the custom
// resources of others. Their sources are the Go modules below, all under the Apache License 2.0; run with network and Go.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

const versions = { "v1.34": "k8s.io/kubernetes@v1.34.0", "v1.37": "k8s.io/kubernetes@v1.37.2" };
const kinds = [
  "apps.v1.Deployment", "apps.v1.StatefulSet", "batch.v1.Job", "core.v1.ConfigMap", "core.v1.PersistentVolumeClaim",
  "core.v1.Pod", "core.v1.Service", "core.v1.ServiceAccount", "networking.v1.NetworkPolicy", "policy.v1.PodDisruptionBudget",
];
const customResources = {
  "github.com/prometheus-operator/prometheus-operator@v0.85.0": [
    "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
  ],
  "github.com/cert-manager/cert-manager@v1.19.0": ["deploy/crds/cert-manager.io_certificates.yaml"],
  "github.com/kedacore/keda/v2@v2.18.0": ["config/crd/bases/keda.sh_scaledobjects.yaml"],
};

const target = fileURLToPath(new URL("../test/chart/schemas", import.meta.url));
const folderOf = (module) => JSON.parse(execFileSync("go", ["mod", "download", "-json", module], { encoding: "utf8" })).Dir;

/** What is said for people goes; what is not known is refused. */
function strict(schema) {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== "object" || schema === null) return schema;
  const entries = Object.entries(schema).filter(
    ([key, value]) => !(key === "description" && typeof value === "string") && !key.startsWith("x-kubernetes-"),
  );
  const kept = Object.fromEntries(
    entries.map(([key, value]) => [
      key,
      key === "properties" || key === "definitions"
        ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, strict(one)]))
        : strict(value),
    ]),
  );
  if (schema["x-kubernetes-int-or-string"] || schema.format === "int-or-string") {
    return { oneOf: [{ type: "string" }, { type: "integer" }] };
  }
  if (kept.properties && kept.additionalProperties === undefined && !schema["x-kubernetes-preserve-unknown-fields"]) {
    kept.additionalProperties = false;
  }
  return kept;
}

/** A definition with all it refers to. */
function reachable(definitions, name, found = {}) {
  if (found[name]) return found;
  // A quantity may be written as a number.
  found[name] = name.endsWith("resource.Quantity") ? { type: ["string", "number"] } : strict(definitions[name]);
  for (const [, other] of JSON.stringify(found[name]).matchAll(/"#\/definitions\/([^"]+)"/g)) reachable(definitions, other, found);
  return found;
}

const write = (folder, name, schema) => {
  mkdirSync(join(target, folder), { recursive: true });
  writeFileSync(join(target, folder, name), `${JSON.stringify(schema)}\n`);
};

rmSync(target, { recursive: true, force: true });
for (const [version, module] of Object.entries(versions)) {
  const { definitions } = JSON.parse(readFileSync(join(folderOf(module), "api/openapi-spec/swagger.json"), "utf8"));
  for (const kind of kinds) {
    const name = `io.k8s.api.${kind}`;
    write(version, `${kind.split(".").at(-1).toLowerCase()}.json`, { $ref: `#/definitions/${name}`, definitions: reachable(definitions, name) });
  }
}
for (const [module, files] of Object.entries(customResources)) {
  const folder = folderOf(module);
  for (const file of files) {
    const { spec } = parse(readFileSync(join(folder, file), "utf8"));
    const { schema } = spec.versions.find(({ storage }) => storage);
    const { openAPIV3Schema } = schema;
    openAPIV3Schema.properties.metadata["x-kubernetes-preserve-unknown-fields"] = true;
    write("custom", `${spec.names.kind.toLowerCase()}.json`, strict(openAPIV3Schema));
  }
}
writeFileSync(
  join(target, "README.md"),
  `Made by scripts/generate-kubernetes-schemas.js, descriptions left out and unknown fields refused, from (Apache License 2.0):\n\n${[
    ...Object.values(versions),
    ...Object.keys(customResources),
  ]
    .map((module) => `- ${module}`)
    .join("\n")}\n`,
);
console.log(readdirSync(target, { recursive: true }).join("\n"));
