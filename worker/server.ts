/** The worker's gRPC server: slices, health and reflection. Runs on the main thread, which never computes. */
import { promisify } from "node:util";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation } from "grpc-health-check";
import { DeqfleetError, FatalError } from "../shared/errors.js";
import { version } from "../shared/version.js";
import type { WorkerHandlers } from "../shared/wire/generated/deqfleet/v1/Worker.js";
import { protocol, protocolDefinition, protocolVersion, serverOptions } from "../shared/wire/protocol.js";
import type { Engine } from "./engine.js";
import { ExchangeClients } from "./exchange-clients.js";
import { serveSlice } from "./slice-session.js";

/** Name under which the worker's health is asked for. */
export const workerServiceName = "deqfleet.v1.Worker";

/** A listening worker. */
export interface WorkerServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves an engine.
 * @param address host:port; port 0 takes a free one
 * @throws FatalError if the address cannot be bound
 */
export async function serveWorker(engine: Engine, address: string): Promise<WorkerServer> {
  const server = new Server(serverOptions);
  const exchanges = new ExchangeClients();
  const health = new HealthImplementation({ "": "SERVING", [workerServiceName]: "SERVING" });
  let slices = 0;
  const handlers: WorkerHandlers = {
    Handshake: (_call, reply) => {
      const { hash, sizeMultiple, fixedSize } = engine.card;
      reply(null, {
        protocolVersion,
        version,
        modelHash: hash,
        sizeMultiple,
        fixedHeight: fixedSize?.height ?? 0,
        fixedWidth: fixedSize?.width ?? 0,
        device: "cpu",
        threads: engine.threads,
        pid: process.pid,
      });
    },
    OpenSlice: (call) => {
      void serveSlice(call, engine, exchanges, slices++);
    },
  };
  server.addService(protocol.Worker.service, handlers);
  health.addToServer(server);
  new ReflectionService(protocolDefinition).addToServer(server);
  // The supervisor starts a worker again that says it cannot serve.
  void engine.ended.then(() => setUnhealthy(health));
  const port = await bind(server, address);
  return {
    port,
    close: async () => {
      setUnhealthy(health);
      server.forceShutdown();
      exchanges.close();
      await engine.close();
    },
  };
}

function setUnhealthy(health: HealthImplementation): void {
  for (const service of ["", workerServiceName]) health.setStatus(service, "NOT_SERVING");
}

async function bind(server: Server, address: string): Promise<number> {
  try {
    return await promisify(server.bindAsync.bind(server))(address, ServerCredentials.createInsecure());
  } catch (cause) {
    throw new FatalError(
      `worker cannot listen on ${address}: ${DeqfleetError.messageOf(cause)}; choose another address or port`,
      { cause },
    );
  }
}
