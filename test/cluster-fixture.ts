/** A coordinator in this process, and workers and further coordinators as processes of their own. */
import { tmpdir } from "node:os";
import type { RegistryEvent } from "../coordinator/fleet/registry.js";
import { type Coordinator, startCoordinator } from "../coordinator/process.js";
import { resolveCoordinatorSettings } from "../shared/config/coordinator-settings.js";
import { becomesTrue } from "./processes.js";
import { ServiceProcess } from "./service-process.js";

/** A coordinator and what its registry has told. */
export interface WatchedCoordinator extends Coordinator {
  readonly events: RegistryEvent[];
  /** Names of the members now, sorted. */
  names(): string[];
  /** Waits until the members are those. */
  has(...names: string[]): Promise<void>;
}

const waitMilliseconds = 100_000;

export class ClusterFixture {
  readonly #closing: (() => Promise<void>)[] = [];
  #workers = 0;

  /** @param silence seconds after which a worker is given up */
  async coordinator(silence = 10): Promise<WatchedCoordinator> {
    const events: RegistryEvent[] = [];
    const settings = resolveCoordinatorSettings(
      { listen: "127.0.0.1:0", silence, heartbeat: 0.1 },
      {},
      { cwd: tmpdir() },
    );
    const coordinator = await startCoordinator({ settings, onEvent: (event) => events.push(event) });
    this.#closing.push(() => coordinator.close());
    const names = () =>
      coordinator.workers
        .members()
        .map(({ name }) => name)
        .sort();
    return {
      ...coordinator,
      events,
      names,
      has: async (...wanted) => {
        const sorted = [...wanted].sort();
        const found = await becomesTrue(waitMilliseconds, () => names().join() === sorted.join());
        if (!found) throw new Error(`members are ${names().join()}, not ${sorted.join()}`);
      },
    };
  }

  /** Starts a program. */
  start(...args: string[]): ServiceProcess {
    const started = ServiceProcess.start(...args);
    this.#closing.push(() => started.kill());
    return started;
  }

  /** Starts a worker of one thread that joins the first of these coordinators that takes it; flags may say more. */
  worker(coordinators: readonly string[], model: string, ...flags: string[]): ServiceProcess {
    this.#workers++;
    const settings = [
      "--coordinator",
      coordinators.join(),
      "--model",
      model,
      "--threads",
      "1",
      "--measure",
      "0",
    ];
    const named = flags.includes("--name") ? [] : ["--name", `w${this.#workers}`];
    return this.start("worker", ...settings, ...named, ...flags);
  }

  /** A coordinator as a process of its own. */
  async coordinatorProcess(): Promise<{ readonly process: ServiceProcess; readonly address: string }> {
    const started = this.start("coordinator", "--listen", "127.0.0.1:0", "--heartbeat", "0.1");
    const [, address] = await started.prints(/reached at (\S+)/);
    return { process: started, address };
  }

  async close(): Promise<void> {
    this.#workers = 0;
    for (const close of this.#closing.splice(0).reverse()) await close();
  }
}
