/**
 * `deqfleet coordinator`: one gRPC server with the exchange of slices and the registry of workers on it, and a pool of those that
 * joined. Further services are added to the same server by whoever starts it.
 */
import type { CoordinatorSettings } from "../shared/config/coordinator-settings.js";
import { insecureTransport, type TransportSecurity } from "../shared/security/transport-security.js";
import {
  type HealthChecks,
  type HttpEndpoint,
  type HttpRoutes,
  healthRoutes,
  serveHttp,
} from "../shared/telemetry/http-endpoint.js";
import { advertisedAddress, isLoopback } from "../shared/wire/address.js";
import { GrpcServer } from "../shared/wire/grpc-server.js";
import { laneFolder, sweepLanes } from "../shared/wire/tensor-lane.js";
import { MemberPool } from "./fleet/member-pool.js";
import { Registry, type RegistryEvent } from "./fleet/registry.js";
import type { WorkerPool } from "./fleet/worker-pool.js";
import { ExchangeServer } from "./wire/exchange-server.js";
import { GrpcSlice } from "./wire/grpc-slice.js";
import type { SliceTimeouts } from "./wire/slice-way.js";

/** How a coordinator is set up, beside its settings. */
export interface CoordinatorParts {
  readonly settings: CoordinatorSettings;
  readonly onEvent?: ((event: RegistryEvent) => void) | undefined;
  /** Of its server, and of the channels to workers; default: none, for loopback and test networks. */
  readonly security?: TransportSecurity | undefined;
  /** Beside `/healthz` and `/readyz`. */
  readonly routes?: HttpRoutes | undefined;
  /** Whether it wants jobs; default: as long as it is not closed. */
  readonly ready?: HealthChecks["ready"] | undefined;
}

/** A coordinator at work. */
export interface Coordinator {
  /** Where workers and clients reach it, HOST:PORT. */
  readonly address: string;
  /** Port of the HTTP endpoint; null without one. */
  readonly httpPort: number | null;
  /** Takes further services. */
  readonly server: GrpcServer;
  readonly workers: WorkerPool;
  /** Sends its workers away and ends; whatever they hold fails. */
  close(): Promise<void>;
}

/** Generous: a serial chain of a large picture on a slow processor is one command. */
const timeouts: SliceTimeouts = { command: 2 * 3600 * 1000 };

/** Workers are told to go elsewhere before their connections are cut. */
const farewellMilliseconds = 100;

/**
 * Listens for workers.
 * @throws InputError if an address cannot be bound
 */
export async function startCoordinator(parts: CoordinatorParts): Promise<Coordinator> {
  const { settings, onEvent, security = insecureTransport, routes = {} } = parts;
  const server = new GrpcServer(security.server);
  let closing = false;
  const checks: HealthChecks = {
    healthy: () => ({ ok: true, detail: "ok" }),
    ready: () =>
      closing ? { ok: false, detail: "stopping" } : (parts.ready?.() ?? { ok: true, detail: "ok" }),
  };
  const port = await server.listen(settings.listen);
  let http: HttpEndpoint | undefined;
  try {
    if (settings.http !== null) http = await serveHttp(settings.http, { ...healthRoutes(checks), ...routes });
  } catch (error) {
    server.close();
    throw error;
  }
  const address = advertisedAddress(settings.listen, port, settings.advertise);
  const exchange = ExchangeServer.on(server, address);
  try {
    if (settings.rounds !== null) await exchange.openRounds(settings.rounds, settings.tls);
  } catch (error) {
    server.close();
    await http?.close();
    throw error;
  }
  const lanes = laneFolder();
  if (lanes) sweepLanes(lanes);
  const pool = new MemberPool({
    openSlice: (spec, worker, signal) => {
      const lane = isLoopback(worker.address) ? lanes : undefined;
      return GrpcSlice.open(spec, worker, exchange, timeouts, lane, signal);
    },
  });
  const registry = new Registry({
    pool,
    heartbeatMilliseconds: Math.round(1000 * settings.heartbeat),
    silenceMilliseconds: Math.round(1000 * settings.silence),
    security,
    onEvent,
  });
  registry.serveOn(server);
  return {
    address,
    httpPort: http?.port ?? null,
    server,
    workers: pool,
    close: async () => {
      closing = true;
      server.setServing(false);
      registry.close();
      await new Promise((resolve) => setTimeout(resolve, farewellMilliseconds));
      exchange.close();
      await http?.close();
    },
  };
}
