// Writes helm/deqfleet/values.schema.json: the program's own options as its zod schemas have them, the rest of the chart's values
// by hand. With --print it goes to stdout. Needs a build.
import { writeFileSync } from "node:fs";
import { z } from "zod";
import { coordinatorOptionsSchema } from "../dist/shared/config/coordinator-settings.js";
import { natsSettingsSchema } from "../dist/shared/config/nats-settings.js";
import { submitOptionsSchema } from "../dist/shared/config/submit-options.js";
import { workerOptionsSchema } from "../dist/shared/config/worker-settings.js";

/** Options that the chart sets. */
const ofTheChart = ["listen", "advertise", "rounds", "http", "api", "apiTokens", "data", "nats", "coordinator", "model", "name", "grace"];
const ofTls = ["tlsCa", "tlsCert", "tlsKey", "tlsServerName"];

/** @param left options that users may not give here */
function optionsOf(schema, left) {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  for (const name of left) delete json.properties?.[name];
  return json;
}

const text = { type: "string" };
const flag = { type: "boolean" };
const free = { type: "object" };
const count = (minimum = 0) => ({ type: "integer", minimum });
/** A number of pods, or a part of them: "25%". */
const share = { anyOf: [{ type: "integer", minimum: 0 }, { type: "string", pattern: "^[0-9]+%$" }] };
const choice = (...names) => ({ enum: names });
const object = (properties, required = []) => ({ type: "object", additionalProperties: false, properties, required });
const list = (items) => ({ type: "array", items });
const label = { type: "string", pattern: "^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$" };

const resources = object({ requests: free, limits: free }, ["requests", "limits"]);
const storage = object({ size: text, storageClass: text });
const model = object({ source: choice("packaged", "pvc", "image"), claim: text, image: text, file: text });
const worker = optionsOf(workerOptionsSchema, [...ofTheChart, ...ofTls]);
const coordinator = optionsOf(coordinatorOptionsSchema, [...ofTheChart, ...ofTls]);
const restoration = optionsOf(submitOptionsSchema, ["model"]);

const schema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "Values of the deqfleet chart",
  ...object({
    global: free,
    image: object({ repository: text, tag: { type: "string", not: { const: "latest" } }, pullPolicy: choice("Always", "IfNotPresent", "Never") }),
    imagePullSecrets: list(free),
    coordinator: object({
      replicas: count(1),
      config: coordinator,
      resources,
      terminationGracePeriodSeconds: count(1),
      nodeSelector: free,
      tolerations: list(free),
      persistence: storage,
    }),
    pools: {
      minItems: 1,
      ...list(
        object(
          {
            name: label,
            replicas: count(),
            gpus: count(),
            gpuResource: text,
            imageSuffix: { type: "string", pattern: "^[A-Za-z0-9_.-]{0,64}$" },
            image: { type: "string", not: { pattern: ":latest$" } },
            config: worker,
            resources,
            nodeSelector: free,
            tolerations: list(free),
            strategy: object({ type: choice("RollingUpdate", "Recreate"), rollingUpdate: object({ maxSurge: share, maxUnavailable: share }) }),
            graceSeconds: count(1),
            model,
            scaling: object({ enabled: flag, min: count(), max: count(1), itemsPerWorker: count(1), cooldownSeconds: count() }),
          },
          ["name", "resources"],
        ),
      ),
    },
    model,
    nats: object({
      mode: choice("bundled", "external", "none"),
      config: { anyOf: [{ type: "object", maxProperties: 0 }, optionsOf(natsSettingsSchema, [])] },
      secret: text,
      monitoring: { type: "string", pattern: "^$|^([^\\s:/@[\\]]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]+$" },
      account: { type: "string", pattern: "^[^\"'\\s]*$" },
      bundled: object({ image: { type: "string", not: { pattern: ":latest$" } }, storage, resources }),
    }),
    datasets: list(object({ name: label, claim: text, mountPath: { type: "string", pattern: "^/" }, readOnly: flag }, ["name", "claim", "mountPath"])),
    s3: object({ secret: text, endpoint: text, region: text }),
    serviceAccount: object({ create: flag, name: text, annotations: { type: "object", additionalProperties: text } }),
    tls: object({
      enabled: flag,
      certManager: object({ issuerName: text, issuerKind: choice("Issuer", "ClusterIssuer") }),
      secret: text,
      serverName: { type: "string", minLength: 1 },
    }),
    api: object({ tokensSecret: text }),
    jobs: list(object({ name: label, input: text, output: text, model: text, restoration, waitSeconds: count() }, ["name", "input", "output", "restoration"])),
    serviceMonitor: object({ enabled: flag, interval: text, labels: free }),
    prometheusRule: object({ enabled: flag, labels: free }),
    dashboard: object({ enabled: flag, labels: free }),
    podDisruptionBudget: object({ enabled: flag }),
    networkPolicy: object({ enabled: flag, clients: list(free), monitoring: list(free), egress: list(free) }),
    topologySpread: object({ enabled: flag, topologyKey: text }),
    test: object({ folder: text, model: text }),
  }),
};

const file = new URL("../helm/deqfleet/values.schema.json", import.meta.url);
const json = `${JSON.stringify(schema, null, 2)}\n`;
if (process.argv.includes("--print")) process.stdout.write(json);
else writeFileSync(file, json);
