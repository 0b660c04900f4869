/**
 * `deqfleet worker`: an engine behind a gRPC server, a member of one coordinator's fleet at a time. Its life is that of life.ts.
 *
 * Invariants:
 * 1. It joins only when it listens, with its network loaded and measured.
 * 2. Once it drains it takes nothing new, from nobody, and joins nobody.
 * 3. It ends within the time of grace, whatever its engine does.
 */
import { setTimeout as delay } from "node:timers/promises";
import { batchLimits } from "../shared/chain/batch-limits.js";
import type { WorkerSettings } from "../shared/config/worker-settings.js";
import { FatalError } from "../shared/errors.js";
import type { CostPoint } from "../shared/fleet/cost-point.js";
import { insecureTransport, type TransportSecurity } from "../shared/security/transport-security.js";
import { type HttpEndpoint, healthRoutes, serveHttp } from "../shared/telemetry/http-endpoint.js";
import { metricsRoute, WorkerMetrics } from "../shared/telemetry/metrics.js";
import { version } from "../shared/version.js";
import { advertisedAddress } from "../shared/wire/address.js";
import type { Heartbeat } from "../shared/wire/generated/deqfleet/v1/Heartbeat.js";
import type { Registration } from "../shared/wire/generated/deqfleet/v1/Registration.js";
import { protocolVersion } from "../shared/wire/protocol.js";
import { laneFolder } from "../shared/wire/tensor-lane.js";
import type { EngineOptions, EngineTrouble } from "./engine/engine-protocol.js";
import { EngineThread } from "./engine-thread.js";
import { Life, type LifeState } from "./life.js";
import { keepMembership } from "./membership.js";
import type { EndedWork } from "./open-work.js";
import type { OpenCall } from "./registry-call.js";
import { serveWorker, type WorkerServer } from "./server.js";
import { showWorker, type WorkerParts } from "./worker-metrics.js";

/** What happens to a worker. */
export type WorkerEvent =
  | { readonly event: "state"; readonly state: LifeState; readonly why: string }
  | { readonly event: "listening"; readonly address: string; readonly http: number | null }
  | { readonly event: "coordinator-failed"; readonly coordinator: string; readonly reason: string }
  | { readonly event: "trouble"; readonly trouble: EngineTrouble }
  | EndedWork;

/** What the process needs beside its settings. */
export interface WorkerRun {
  readonly settings: WorkerSettings;
  /** The request to stop: drains. */
  readonly stop: AbortSignal;
  /** Ends the process at once: the grace time is over, and the engine does not let go. */
  readonly kill: () => void;
  readonly onEvent?: ((event: WorkerEvent) => void) | undefined;
  /** Default: a thread of this process, with the model and the device of the settings. */
  readonly startEngine?: ((options: EngineOptions) => Promise<EngineThread>) | undefined;
  /** Of its server, and of the channels to coordinators; default: none, for loopback and test networks. */
  readonly security?: TransportSecurity | undefined;
}

/** The last part of the grace time is for the farewell: whole pictures that do not end before it are handed back. */
const farewellSeconds = (grace: number): number => Math.min(2, grace / 4);

/** What the coordinator is told, each cost once a call. */
class SelfDescription {
  readonly #settings: WorkerSettings;
  readonly #engine: EngineThread;
  readonly #server: WorkerServer;
  readonly #address: string;
  #told = new Set<CostPoint>();

  constructor(settings: WorkerSettings, engine: EngineThread, server: WorkerServer, address: string) {
    this.#settings = settings;
    this.#engine = engine;
    this.#server = server;
    this.#address = address;
  }

  readonly registration = (): Registration => {
    const { pictures, pixels } = batchLimits(this.#settings.batch, [this.#settings.device]);
    const { costs, card } = this.#engine;
    this.#told = new Set(costs);
    return {
      protocolVersion,
      version,
      name: this.#settings.name,
      instance: this.#server.instance,
      address: this.#address,
      modelHash: card.hash,
      batchPictures: pictures,
      batchPixels: pixels,
      costs: [...costs],
    };
  };

  readonly heartbeat = (): Heartbeat => {
    const { costs } = this.#engine;
    const news = costs.filter((point) => !this.#told.has(point));
    this.#told = new Set(costs);
    const { draining, holds } = this.#server.work;
    return { draining, holds, costs: news };
  };
}

/** Is a member of fleets, one after the other, until it is told to stop and has finished what it had. */
async function serveFleets(
  { settings, stop, onEvent = () => {}, security = insecureTransport }: WorkerRun,
  life: Life,
  server: WorkerServer,
  self: SelfDescription,
): Promise<void> {
  const leave = new AbortController();
  let call: OpenCall | undefined;
  const membership = keepMembership({
    coordinators: settings.coordinators,
    security,
    leave: leave.signal,
    registration: self.registration,
    heartbeat: self.heartbeat,
    observer: {
      joined: (coordinator, opened) => {
        call = opened;
        // Told to stop while it was being taken: the heartbeat says so.
        if (life.state === "joining") life.enter("serving", `joined ${coordinator}`);
        else opened.beat();
      },
      lost: (coordinator, reason) => {
        call = undefined;
        if (life.state === "serving") life.enter("joining", `lost ${coordinator}: ${reason}`);
        else leave.abort();
      },
      failed: (coordinator, reason) => onEvent({ event: "coordinator-failed", coordinator, reason }),
    },
  });
  const drained = async () => {
    if (!stop.aborted) {
      await new Promise<void>((resolve) => stop.addEventListener("abort", () => resolve(), { once: true }));
    }
    const { work } = server;
    life.enter("draining", `told to stop, ${work.holds} at work`);
    work.drain();
    call?.beat();
    const patience = 1000 * (settings.grace - farewellSeconds(settings.grace));
    await Promise.race([work.idle(), delay(patience, undefined, { ref: false })]);
    const left = work.holds;
    leave.abort();
    await membership;
    return left;
  };
  const draining = drained();
  // By itself a membership ends only with an error.
  const left = await Promise.race([draining, membership.then(() => draining)]);
  life.enter("stopped", left === 0 ? "nothing left to do" : `the grace time is over; ${left} handed back`);
}

/** Starts the engine and its server, serves, and closes both. */
async function live(
  run: WorkerRun,
  life: Life,
  http: HttpEndpoint | undefined,
  onStarted: (parts: WorkerParts) => void,
): Promise<void> {
  const { settings, onEvent = () => {}, security, startEngine = EngineThread.start } = run;
  const { model: modelPath, threads, device, batch, measure } = settings;
  const engine = await startEngine({
    modelPath,
    threads,
    device,
    batch: batchLimits(batch, [device]),
    laneFolder: laneFolder(),
    measureSeconds: measure,
    tls: settings.tls,
  });
  engine.onTrouble = (trouble) => onEvent({ event: "trouble", trouble });
  let server: WorkerServer;
  try {
    server = await serveWorker(engine, settings.listen, security, onEvent);
  } catch (error) {
    await engine.close();
    throw error;
  }
  onStarted({ engine, work: server.work });
  try {
    const address = advertisedAddress(settings.listen, server.port, settings.advertise);
    onEvent({ event: "listening", address, http: http?.port ?? null });
    if (!run.stop.aborted) life.enter("joining", `${device}, model ${engine.card.hash.slice(0, 12)}`);
    const engineEnded = engine.ended.then(() => {
      throw new FatalError("the engine ended; a worker without one is of no use and has to be started again");
    });
    await Promise.race([
      serveFleets(run, life, server, new SelfDescription(settings, engine, server, address)),
      engineEnded,
    ]);
  } finally {
    await server.close();
  }
}

/**
 * Lives a worker's life.
 * @returns when it has stopped
 * @throws InputError if the model, the device or an address cannot be used, FatalError if the engine ended or no coordinator
 *   will ever take it
 */
export async function runWorker(run: WorkerRun): Promise<void> {
  const { settings, stop, kill, onEvent = () => {} } = run;
  const life = new Life((state, why) => onEvent({ event: "state", state, why }));
  const metrics = new WorkerMetrics();
  let parts: WorkerParts | undefined;
  const routes = {
    ...healthRoutes({
      healthy: () => ({ ok: life.state !== "failed", detail: life.state }),
      ready: () => ({ ok: life.state === "serving", detail: life.state }),
    }),
    "/metrics": metricsRoute(metrics.registry, () => showWorker(metrics, life.state, parts)),
  };
  const http = settings.http === null ? undefined : await serveHttp(settings.http, routes);
  let ending: NodeJS.Timeout | undefined;
  const startGrace = () => {
    ending = setTimeout(kill, 1000 * settings.grace);
  };
  if (stop.aborted) startGrace();
  else stop.addEventListener("abort", startGrace, { once: true });
  try {
    await live(run, life, http, (started) => {
      parts = started;
    });
  } catch (error) {
    life.enter("failed", error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    clearTimeout(ending);
    stop.removeEventListener("abort", startGrace);
    await http?.close();
  }
}
