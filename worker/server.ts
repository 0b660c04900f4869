/** The worker's gRPC server: slices, health and reflection. Runs on the main thread, which never computes. */
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import { Server, type ServerCredentials, status } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation } from "grpc-health-check";
import { checkCanvas } from "../shared/chain/canvas-limit.js";
import { DeqfleetError, FatalError } from "../shared/errors.js";
import type { PictureSize } from "../shared/operators/task.js";
import { insecureTransport, type TransportSecurity } from "../shared/security/transport-security.js";
import { version } from "../shared/version.js";
import type { WorkerHandlers } from "../shared/wire/generated/deqfleet/v1/Worker.js";
import { protocol, protocolDefinition, protocolVersion, serverOptions } from "../shared/wire/protocol.js";
import type { Engine } from "./engine.js";
import { ExchangeClients } from "./exchange-clients.js";
import { type EndedWork, OpenWork } from "./open-work.js";
import { serveRestorePicture } from "./picture-call.js";
import { serveSlice } from "./slice-session.js";

/** Name under which the worker's health is asked for. */
export const workerServiceName = "deqfleet.v1.Worker";

/** Measuring holds up whatever else there is to do. */
const mostSeconds = 60;

/** Bounded before it is asked of the engine, which makes memory for it. @returns what is wrong with it */
function wrongSize(size: PictureSize): string | undefined {
  if (size.height < 1 || size.width < 1) return `a picture of ${size.height}x${size.width} (HxW) cannot be`;
  try {
    checkCanvas(size);
    return undefined;
  } catch (error) {
    return DeqfleetError.messageOf(error);
  }
}

/** A listening worker. */
export interface WorkerServer {
  readonly port: number;
  /** What it is working on. */
  readonly work: OpenWork;
  /** Names this process: a worker that is started again has another. */
  readonly instance: string;
  close(): Promise<void>;
}

/**
 * Serves an engine.
 * @param address host:port; port 0 takes a free one
 * @param security of the server, and of the channels to the coordinators that slices come from
 * @param onEnded told of slices and pictures that are over
 * @throws FatalError if the address cannot be bound
 */
export async function serveWorker(
  engine: Engine,
  address: string,
  security: TransportSecurity = insecureTransport,
  onEnded?: (ended: EndedWork) => void,
): Promise<WorkerServer> {
  const server = new Server(serverOptions);
  const exchanges = new ExchangeClients(security);
  // Rounds between processes of one machine do not pass through here. An engine that has ended has none.
  const work = new OpenWork(onEnded, () => void engine.perform({ kind: "drain" }).catch(() => {}));
  const instance = randomUUID();
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
        device: engine.device,
        threads: engine.threads,
        pid: process.pid,
        instance,
      });
    },
    OpenSlice: (call) => {
      serveSlice(call, engine, exchanges, slices++, work).catch((error: unknown) => {
        // One slice's failure, however unforeseen, is not that of all others this process holds.
        call.emit("error", { code: status.INTERNAL, details: DeqfleetError.messageOf(error) });
      });
    },
    MeasureCosts: (call, reply) => {
      const { seconds, ...size } = call.request;
      const wrong = wrongSize(size);
      if (wrong) {
        reply({ code: status.INVALID_ARGUMENT, details: wrong });
        return;
      }
      engine.perform({ kind: "measure", seconds: Math.min(seconds, mostSeconds), size }).then(
        (costs) => reply(null, { costs: [...costs] }),
        (error: unknown) => reply({ code: status.INTERNAL, details: DeqfleetError.messageOf(error) }),
      );
    },
    RestorePicture: (call, reply) => serveRestorePicture(call, reply, engine, work),
  };
  server.addService(protocol.Worker.service, handlers);
  health.addToServer(server);
  new ReflectionService(protocolDefinition).addToServer(server);
  // The supervisor starts a worker again that says it cannot serve.
  void engine.ended.then(() => setUnhealthy(health));
  const port = await bind(server, address, security.server);
  return {
    port,
    work,
    instance,
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

async function bind(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  try {
    return await promisify(server.bindAsync.bind(server))(address, credentials);
  } catch (cause) {
    throw new FatalError(
      `worker cannot listen on ${address}: ${DeqfleetError.messageOf(cause)}; choose another address or port`,
      { cause },
    );
  }
}
