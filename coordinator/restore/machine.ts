/** The machine and the software a run used, for its report. */
import { createRequire } from "node:module";
import { arch, availableParallelism, cpus, release, totalmem, type } from "node:os";
import { z } from "zod";
import { version } from "../../shared/version.js";
import type { RestoreReport } from "./report.js";

const packageSchema = z.object({ version: z.string() });
const requirePackage = createRequire(import.meta.url);

const versionOf = (name: string): string =>
  packageSchema.parse(requirePackage(`${name}/package.json`)).version;

/** The machine this process runs on. `memory` in bytes; `cores` is what the process may use. */
export function describeMachine(): RestoreReport["run"]["machine"] {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memory: totalmem(),
    os: `${type()} ${release()} ${arch()}`,
    node: process.versions.node,
  };
}

/** Versions of what a result may depend on. */
export function describeVersions(): RestoreReport["run"]["versions"] {
  return {
    deqfleet: version,
    node: process.versions.node,
    onnxruntime: versionOf("onnxruntime-node"),
    grpc: versionOf("@grpc/grpc-js"),
  };
}
