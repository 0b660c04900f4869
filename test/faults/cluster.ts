/**
 * A whole fleet as processes, every link between them through a relay that can be cut:
 *
 *     workers --(relay of a coordinator)--> coordinators --(relay of a worker)--> workers
 *     coordinators --(relay of the broker)--> nats-server
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { connect, RetentionPolicy } from "nats";
import { packageRoot } from "../../shared/package-root.js";
import { type NatsServer, startNatsServer } from "../nats-server.js";
import { type CutProxy, startCutProxy } from "./cut-proxy.js";
import { Supervised } from "./supervised.js";

const run = promisify(execFile);
const program = fileURLToPath(new URL("dist/cli/main.js", packageRoot));
const innerFaults = new URL("inner-faults.js", import.meta.url).href;

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address ? address.port : 0;
}

/** One process and the relay that others reach it by. */
export interface Station {
  readonly process: Supervised;
  readonly relay: CutProxy;
}

export interface ClusterShape {
  readonly coordinators: number;
  readonly workers: number;
}

export class Cluster {
  readonly broker: NatsServer;
  readonly brokerRelay: CutProxy;
  readonly coordinators: readonly Station[];
  readonly workers: readonly Station[];

  private constructor(
    broker: NatsServer,
    brokerRelay: CutProxy,
    coordinators: readonly Station[],
    workers: readonly Station[],
  ) {
    this.broker = broker;
    this.brokerRelay = brokerRelay;
    this.coordinators = coordinators;
    this.workers = workers;
  }

  static async start({ coordinators, workers }: ClusterShape): Promise<Cluster> {
    const broker = await startNatsServer();
    const brokerRelay = await startCutProxy(Number(new URL(broker.url).port));
    const leaders: Station[] = [];
    for (let i = 0; i < coordinators; i++) {
      const port = await freePort();
      const relay = await startCutProxy(port);
      const process = new Supervised({
        name: `coordinator-${i + 1}`,
        args: [
          "coordinator",
          ...["--listen", `127.0.0.1:${port}`, "--advertise", `127.0.0.1:${relay.port}`],
          ...["--nats", `nats://127.0.0.1:${brokerRelay.port}`, "--silence", "3", "--heartbeat", "0.3"],
        ],
        environment: () => ({ NODE_OPTIONS: `--import ${innerFaults}` }),
      });
      leaders.push({ process, relay });
    }
    const addresses = leaders.map(({ relay }) => `127.0.0.1:${relay.port}`);
    const crew: Station[] = [];
    for (let i = 0; i < workers; i++) {
      const port = await freePort();
      const relay = await startCutProxy(port);
      // Each prefers another coordinator.
      const turned = addresses.map((_, k) => addresses[(k + i) % addresses.length]);
      const process = new Supervised({
        name: `worker-${i + 1}`,
        args: [
          "worker",
          ...[
            "--name",
            `worker-${i + 1}`,
            "--coordinator",
            turned.join(),
            "--threads",
            "1",
            "--measure",
            "0",
          ],
          ...["--listen", `127.0.0.1:${port}`, "--advertise", `127.0.0.1:${relay.port}`],
        ],
        environment: () => ({ NODE_OPTIONS: `--import ${innerFaults}` }),
      });
      crew.push({ process, relay });
    }
    return new Cluster(broker, brokerRelay, leaders, crew);
  }

  /** Runs a command of the program against whichever coordinator answers. @returns its standard output */
  async command(...args: string[]): Promise<string> {
    let failure: unknown;
    for (let tries = 0; tries < 60; tries++) {
      for (const { relay } of this.coordinators) {
        try {
          const { stdout } = await run(
            process.execPath,
            [program, ...args, "--coordinator", `127.0.0.1:${relay.port}`],
            { maxBuffer: 64 * 1024 * 1024, timeout: 60_000 },
          );
          return stdout;
        } catch (error) {
          failure = error;
        }
      }
    }
    throw failure;
  }

  /** Puts some of the broker's messages of items into their queues a second time, past its own guard against that. */
  async deliverTwice(count: number): Promise<void> {
    const connection = await connect({ servers: this.broker.url });
    try {
      const manager = await connection.jetstreamManager();
      for await (const { config, state } of manager.streams.list()) {
        if (config.retention !== RetentionPolicy.Workqueue) continue;
        for (let seq = state.first_seq; seq <= Math.min(state.last_seq, state.first_seq + count); seq++) {
          // Messages between the first and the last may be gone.
          const message = await manager.streams.getMessage(config.name, { seq }).catch(() => undefined);
          if (message) await connection.jetstream().publish(message.subject, message.data);
        }
      }
    } finally {
      await connection.close();
    }
  }

  get processes(): readonly Supervised[] {
    return [...this.coordinators, ...this.workers].map(({ process }) => process);
  }

  async close(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.stop()));
    const relays = [this.brokerRelay, ...[...this.coordinators, ...this.workers].map(({ relay }) => relay)];
    await Promise.all(relays.map((relay) => relay.close()));
    await this.broker.close();
  }
}
