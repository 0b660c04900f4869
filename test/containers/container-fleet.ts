/**
 * A fleet of containers on a Docker network of its own: nats-server, coordinators, workers. They find each other by the
 * network's names, share two folders of this machine, run as no root, and cannot write to their images.
 */
import { availableParallelism } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import {
  GenericContainer,
  getContainerRuntimeClient,
  Network,
  type StartedNetwork,
  type StartedTestContainer,
  Wait,
} from "testcontainers";
import "../docker.js";
import { natsImage } from "../nats-container.js";
import { imageName } from "./image.js";

const program = ["node", "/app/dist/cli/main.js"] as const;

/** Longer than any --grace here. */
const stopMilliseconds = 30_000;

/** Folders of this machine that all containers see. */
export interface SharedFolders {
  /** Seen as `/data/in`, read only. */
  readonly input: string;
  /** Seen as `/data/out`; has to be writable for everybody. */
  readonly output: string;
  /** Where nats-server keeps its streams, over all of its containers. */
  readonly streams: string;
}

/** A container whose own files cannot be changed, on at most two cores, so that machines differ little in how long things take. */
class LockedContainer extends GenericContainer {
  constructor(image: string) {
    super(image);
    this.hostConfig.ReadonlyRootfs = true;
    if (availableParallelism() > 1) this.hostConfig.CpusetCpus = "0,1";
  }
}

/** A place in the fleet, whichever container has it at the moment. */
export class Berth {
  readonly name: string;
  readonly #create: (image: string) => GenericContainer;
  #container: StartedTestContainer | undefined;
  /** What all of its containers printed. */
  output = "";

  constructor(name: string, create: (image: string) => GenericContainer) {
    this.name = name;
    this.#create = create;
  }

  get container(): StartedTestContainer {
    if (!this.#container) throw new Error(`${this.name} does not run`);
    return this.#container;
  }

  async start(image: string): Promise<void> {
    this.#container = await this.#create(image)
      .withLogConsumer((stream) => {
        stream.on("data", (line: Buffer) => {
          this.output += line.toString();
        });
      })
      .start();
  }

  /** SIGTERM, the time it takes, removal. */
  async stop(): Promise<void> {
    const stopped = this.#container;
    this.#container = undefined;
    await stopped?.stop({ timeout: stopMilliseconds });
  }

  /** Another container takes its place. */
  async replace(image: string): Promise<void> {
    await this.stop();
    await this.start(image);
  }

  /** All of its processes stand still, as on a machine that swaps. */
  async pause(milliseconds: number): Promise<void> {
    const client = await getContainerRuntimeClient();
    const paused = client.container.getById(this.container.getId());
    await paused.pause();
    await delay(milliseconds);
    await paused.unpause();
  }
}

/** How many of each. */
export interface FleetShape {
  readonly coordinators: number;
  readonly workers: number;
}

export class ContainerFleet {
  readonly #network: StartedNetwork;
  readonly broker: Berth;
  readonly coordinators: readonly Berth[];
  readonly workers: readonly Berth[];

  private constructor(network: StartedNetwork, folders: SharedFolders, shape: FleetShape) {
    this.#network = network;
    const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
    const service = (name: string, args: readonly string[], ready: RegExp) =>
      new Berth(name, (image) =>
        new LockedContainer(image)
          .withNetwork(network)
          .withNetworkAliases(name)
          .withBindMounts([
            { source: folders.input, target: "/data/in", mode: "ro" },
            { source: folders.output, target: "/data/out" },
          ])
          .withDroppedCapabilities("ALL")
          .withSecurityOpt("no-new-privileges")
          .withCommand([...args])
          .withWaitStrategy(Wait.forLogMessage(ready)),
      );
    this.broker = new Berth("nats", (image) =>
      new LockedContainer(image)
        .withNetwork(network)
        .withNetworkAliases("nats")
        .withBindMounts([{ source: folders.streams, target: "/data" }])
        .withCommand(["-js", "-sd", "/data"])
        .withWaitStrategy(Wait.forLogMessage(/Server is ready/)),
    );
    this.coordinators = numbers(shape.coordinators).map((i) =>
      service(
        `coordinator-${i}`,
        [
          ...["coordinator", "--listen", "0.0.0.0:7700", "--advertise", `coordinator-${i}:7700`],
          ...["--nats", "nats://nats:4222", "--silence", "3", "--heartbeat", "0.3", "--http", "0.0.0.0:8080"],
        ],
        /reached at/,
      ),
    );
    const addresses = numbers(shape.coordinators).map((i) => `coordinator-${i}:7700`);
    this.workers = numbers(shape.workers).map((i) =>
      service(
        `worker-${i}`,
        [
          ...[
            "worker",
            "--name",
            `worker-${i}`,
            "--listen",
            "0.0.0.0:7701",
            "--advertise",
            `worker-${i}:7701`,
          ],
          // Each prefers another coordinator.
          ...["--coordinator", addresses.map((_, k) => addresses[(k + i) % addresses.length]).join()],
          ...["--threads", "1", "--batch", "1", "--measure", "0", "--grace", "2", "--http", "0.0.0.0:8080"],
        ],
        /serving/,
      ),
    );
  }

  static async start(folders: SharedFolders, shape: FleetShape): Promise<ContainerFleet> {
    await natsImage();
    const fleet = new ContainerFleet(await new Network().start(), folders, shape);
    try {
      await fleet.broker.start(natsImageName);
      await Promise.all(fleet.coordinators.map((berth) => berth.start(imageName)));
      await Promise.all(fleet.workers.map((berth) => berth.start(imageName)));
      return fleet;
    } catch (error) {
      await fleet.close();
      throw error;
    }
  }

  get berths(): readonly Berth[] {
    return [this.broker, ...this.coordinators, ...this.workers];
  }

  /** Runs a command of the program in whichever coordinator's container answers. @returns what it printed */
  async command(...args: string[]): Promise<string> {
    let failure: unknown;
    for (let tries = 0; tries < 60; tries++) {
      for (const berth of this.coordinators) {
        try {
          const { exitCode, output } = await berth.container.exec([...program, ...args]);
          if (exitCode === 0) return output;
          failure = new Error(`${args.join(" ")} in ${berth.name} ended with ${exitCode}: ${output}`);
        } catch (error) {
          // Its container is being replaced.
          failure = error;
        }
      }
      await delay(500);
    }
    throw failure;
  }

  /** Takes a container off the network for a while, and puts it back under its name; its address may be another then. */
  async disconnect(berth: Berth, milliseconds: number): Promise<void> {
    const client = await getContainerRuntimeClient();
    const network = client.network.getById(this.#network.getId());
    const Container = berth.container.getId();
    await network.disconnect({ Container, Force: true });
    await delay(milliseconds);
    await network.connect({ Container, EndpointConfig: { Aliases: [berth.name] } });
  }

  async close(): Promise<void> {
    await Promise.all(this.berths.map((berth) => berth.stop()));
    await this.#network.stop();
  }
}

/** What {@link natsImage} builds. */
export const natsImageName = "deqfleet-test/nats";
