/** The chart, rendered by the real helm. */
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import { packageRoot } from "../../shared/package-root.js";

export const pathOf = (name: string): string => fileURLToPath(new URL(name, packageRoot));

export const chart = pathOf("helm/deqfleet");

/** The value sets of `helm/deqfleet/ci`. */
export const valueSets: readonly string[] = readdirSync(join(chart, "ci"));

let tools: string | undefined;
/** Path of helm, helm-unittest or kubeconform. */
export function tool(name: string): string {
  const script = pathOf("scripts/install-chart-tools.js");
  tools ??= execFileSync(process.execPath, [script], { encoding: "utf8" }).trim();
  return join(tools, name);
}

/** @returns exit status and everything printed */
export function ran(
  name: string,
  args: readonly string[],
  input = "",
): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(tool(name), args, { encoding: "utf8", input });
  return { status, said: stdout + stderr };
}

/** `helm template`. A helm built from its module knows no version of Kubernetes by itself. */
export function template(args: readonly string[], kubernetes = "1.34.0"): string {
  const all = ["template", "fleet", chart, "--kube-version", kubernetes, ...args];
  return execFileSync(tool("helm"), all, { encoding: "utf8" });
}

/** With one of the value sets. */
export const templateOf = (set: string): string => template(["--values", join(chart, "ci", set)]);

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly command?: readonly string[];
  readonly resources?: { readonly requests?: object; readonly limits?: object };
  readonly securityContext?: Readonly<Record<string, unknown>>;
}

export interface PodSpec {
  readonly automountServiceAccountToken?: boolean;
  readonly serviceAccountName?: string;
  readonly imagePullSecrets?: readonly { readonly name: string }[];
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes?: readonly Readonly<Record<string, unknown>>[];
}

/** An object of Kubernetes. */
export interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: PodSpec & { readonly template?: { readonly spec: PodSpec } };
}

export const manifestsIn = (text: string): Manifest[] =>
  parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);

/** The pods that manifests make, with the names of their makers. */
export const podsIn = (manifests: readonly Manifest[]): { name: string; pod: PodSpec }[] =>
  manifests.flatMap(({ kind, metadata, spec }) => {
    const pod = kind === "Pod" ? spec : spec?.template?.spec;
    return pod ? [{ name: `${kind} ${metadata.name}`, pod }] : [];
  });

export const containersOf = ({ initContainers = [], containers }: PodSpec): Container[] => [
  ...initContainers,
  ...containers,
];
