/** Local fleets for tests: started with short timings, closed with the test file. */

import type { Fleet } from "../coordinator/fleet.js";
import { type LocalFleetOptions, startLocalFleet } from "../coordinator/local-fleet.js";
import { PrefixScan } from "../coordinator/solver/prefix-scan.js";
import type { SolverParts } from "../coordinator/solver/solve-chain.js";
import type { SliceHost } from "../shared/chain/slice-host.js";
import { OnnxNetwork } from "../worker/engine/network.js";
import { SliceEngine } from "../worker/engine/slice-engine.js";
import { InProcessHost } from "../worker/in-process-host.js";
import { operatorOf, type TaskSample, taskSamples } from "./task-samples.js";

/** A signal that never aborts. */
export const never = new AbortController().signal;

/** Fleets and scans of one test file. */
export class FleetFixture {
  readonly #closing: (() => Promise<void>)[] = [];

  /** Starts a fleet of one-thread workers on free ports of the loopback. */
  async start(options: Omit<LocalFleetOptions, "threads" | "signal">): Promise<Fleet> {
    const fleet = await startLocalFleet({ threads: 1, signal: never, ...options });
    this.#closing.push(() => fleet.close());
    return fleet;
  }

  /** The same model without processes. */
  async inProcess(modelPath: string, width: number): Promise<SliceHost> {
    const network = await OnnxNetwork.load(modelPath, { threads: 1 });
    this.#closing.push(() => network.release());
    return new InProcessHost(new SliceEngine(network, { threads: 1 }), width);
  }

  /** What the solver needs beside the host, for chains of a sample's task. */
  async parts(host: SliceHost, sample: TaskSample = taskSamples[0]): Promise<SolverParts> {
    const scan = new PrefixScan();
    this.#closing.push(() => scan.release());
    return { host, scan, operator: operatorOf(sample) };
  }

  async close(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close();
  }
}
