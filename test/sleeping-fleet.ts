/** A fleet of sleeping workers behind real gRPC servers, in this process. */
import { ExchangeServer } from "../coordinator/wire/exchange-server.js";
import { GrpcSlice } from "../coordinator/wire/grpc-slice.js";
import { WorkerChannel } from "../coordinator/wire/worker-channel.js";
import type { SliceHost } from "../shared/chain/slice-host.js";
import type { CostPoint } from "../shared/fleet/cost-point.js";
import type { PictureSize } from "../shared/operators/task.js";
import { serveWorker, type WorkerServer } from "../worker/server.js";
import { SleepingEngine, SleepingNetwork } from "./sleeping-engine.js";

export class SleepingFleet {
  readonly #servers: readonly WorkerServer[];
  readonly #channels: readonly WorkerChannel[];
  readonly #exchange: ExchangeServer;

  private constructor(
    servers: readonly WorkerServer[],
    channels: readonly WorkerChannel[],
    exchange: ExchangeServer,
  ) {
    this.#servers = servers;
    this.#channels = channels;
    this.#exchange = exchange;
  }

  /** @param seconds what a batch takes each worker */
  static async start(workers: number, seconds: (batch: number) => number): Promise<SleepingFleet> {
    const engines = Array.from({ length: workers }, () => new SleepingEngine(new SleepingNetwork(seconds)));
    const servers = await Promise.all(engines.map((engine) => serveWorker(engine, "127.0.0.1:0")));
    const channels = await Promise.all(servers.map(({ port }) => WorkerChannel.connect(`127.0.0.1:${port}`)));
    return new SleepingFleet(servers, channels, await ExchangeServer.listen("127.0.0.1:0"));
  }

  /** `width` workers, from the one numbered `first` on. */
  host(first: number, width: number): SliceHost {
    const timeouts = { command: 60_000 };
    return {
      width,
      open: (spec, index, signal) =>
        GrpcSlice.open(
          spec,
          this.#channels[first + (index % width)],
          this.#exchange,
          timeouts,
          undefined,
          signal,
        ),
    };
  }

  /** What calls cost each worker. */
  measure(seconds: number, size: PictureSize): Promise<CostPoint[][]> {
    return Promise.all(this.#channels.map((channel) => channel.measureCosts(seconds, size)));
  }

  async close(): Promise<void> {
    for (const channel of this.#channels) channel.close();
    this.#exchange.close();
    await Promise.all(this.#servers.map((server) => server.close()));
  }
}
