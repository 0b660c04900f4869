/** What pods of the chart may not be: the restricted pod security standard, and what keeps a cluster calm. */
import { containersOf, type PodSpec } from "./rendered.js";

/** Volumes that the restricted standard allows. */
const volumeKinds = [
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
];

/** @returns what is wrong with a pod, one line each */
export function violations(pod: PodSpec): string[] {
  const found: string[] = [];
  const need = (holds: boolean, what: string) => {
    if (!holds) found.push(what);
  };
  const security = pod.securityContext ?? {};
  need(security.runAsNonRoot === true, "runAsNonRoot");
  need(security.runAsUser !== 0, "runAsUser");
  need(
    (security.seccompProfile as { type?: string } | undefined)?.type === "RuntimeDefault",
    "seccompProfile",
  );
  need(pod.automountServiceAccountToken === false, "automountServiceAccountToken");
  need(!pod.hostNetwork && !pod.hostPID && !pod.hostIPC, "host namespaces");
  for (const volume of pod.volumes ?? []) {
    const kinds = Object.keys(volume).filter((key) => key !== "name");
    need(
      kinds.length > 0 && kinds.every((kind) => volumeKinds.includes(kind)),
      `volume ${volume.name}: ${kinds.join()}`,
    );
  }
  for (const { name, image, resources, securityContext = {} } of containersOf(pod)) {
    const { capabilities } = securityContext as { capabilities?: { drop?: string[]; add?: string[] } };
    need(securityContext.allowPrivilegeEscalation === false, `${name}: allowPrivilegeEscalation`);
    need(securityContext.readOnlyRootFilesystem === true, `${name}: readOnlyRootFilesystem`);
    need(!securityContext.privileged, `${name}: privileged`);
    need(capabilities?.drop?.includes("ALL") === true && !capabilities.add, `${name}: capabilities`);
    need(/(:[^/:]+|@sha256:\w+)$/.test(image) && !image.endsWith(":latest"), `${name}: image ${image}`);
    for (const what of ["requests", "limits"] as const) {
      for (const resource of ["cpu", "memory"]) {
        need(resource in (resources?.[what] ?? {}), `${name}: ${what}.${resource}`);
      }
    }
  }
  return found;
}
