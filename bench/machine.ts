/** What a benchmark ran on. */
import { cpus, loadavg } from "node:os";

/** Processor, cores and the load of the last minute: numbers taken on a busy machine say so. */
export function machineLine(): string {
  return `${cpus()[0].model.trim()}, ${cpus().length} cores, load ${loadavg()[0].toFixed(2)}, Node ${process.versions.node}`;
}
