/** The jobs of a coordinator process: the log they are kept in, the engine that works on them, the API they are asked by. */

import type { CoordinatorSettings } from "../shared/config/coordinator-settings.js";
import type { ApiAccess } from "../shared/config/security-settings.js";
import { RetryableError } from "../shared/errors.js";
import { LocatedFiles } from "../shared/restore/located-files.js";
import { bearerAuthentication, limitConcurrency, readTokens } from "../shared/security/api-access.js";
import type { TransportSecurity } from "../shared/security/transport-security.js";
import { openStore } from "../shared/storage/open-store.js";
import { GrpcServer } from "../shared/wire/grpc-server.js";
import { JobsService } from "./api/jobs-service.js";
import { EmbeddedLog } from "./jobs/embedded-log/embedded-log.js";
import { itemRestoration } from "./jobs/item-restoration.js";
import { JobEngine } from "./jobs/job-engine.js";
import type { JobEvent } from "./jobs/job-event.js";
import type { JobLog } from "./jobs/job-log.js";
import { openJobStores } from "./jobs/job-stores.js";
import { NatsLog } from "./jobs/nats-log/nats-log.js";
import type { Coordinator } from "./process.js";
import { PrefixScan } from "./solver/prefix-scan.js";

/** What jobs need of their process. */
export interface JobHostParts {
  readonly settings: CoordinatorSettings;
  readonly security: TransportSecurity;
  readonly coordinator: Coordinator;
  readonly onEvent: (event: JobEvent) => void;
}

/** Jobs being worked on. */
export interface JobHost {
  readonly engine: JobEngine;
  /** Port of the public API; null without one of its own. */
  readonly apiPort: number | null;
  /** Gives back what is in hand, and ends. */
  close(): Promise<void>;
}

/** For calls of the public API to end by themselves once the coordinator stops. */
const farewellMilliseconds = 2000;

const openLog = ({ jobs }: CoordinatorSettings): Promise<JobLog> =>
  jobs.kind === "nats" ? NatsLog.open(jobs.nats) : EmbeddedLog.open(jobs.folder);

/** A server of the API alone. */
async function publicServer({ tokens, concurrentRequests }: ApiAccess, security: TransportSecurity) {
  const interceptors = [limitConcurrency(concurrentRequests)];
  if (tokens !== null) interceptors.unshift(bearerAuthentication(await readTokens(tokens)));
  return new GrpcServer(security.publicServer, interceptors);
}

/**
 * Opens the log and begins to work on its jobs; the API is served on the coordinator's own port, and on one of its own if the
 * settings say so: on that one alone where it asks for tokens and the processes of the fleet have no certificates to show.
 * @throws InputError if the log, the tokens or an address cannot be used, RetryableError if the broker is unreachable
 */
export async function startJobs({
  settings,
  security,
  coordinator,
  onEvent,
}: JobHostParts): Promise<JobHost> {
  const log = await openLog(settings);
  const stopping = new AbortController();
  const scan = new PrefixScan();
  const files = new LocatedFiles(openStore);
  const engine = new JobEngine({
    log,
    pool: coordinator.workers,
    openStores: openJobStores,
    restoration: itemRestoration({ pool: coordinator.workers, files, scan }),
    onEvent,
  });
  const service = new JobsService(engine, stopping.signal);
  let open: GrpcServer | undefined;
  let apiPort: number | null = null;
  const close = async () => {
    stopping.abort(new RetryableError("the coordinator is stopping"));
    // Whoever watches a job is told why that ends.
    await Promise.all([open?.drain(farewellMilliseconds), engine.close()]);
    await files.close();
    await scan.release();
    await log.close();
  };
  try {
    // Without certificates, tokens would keep out nobody who reaches this port.
    if (settings.tls !== null || !settings.api?.access.tokens) service.serveOn(coordinator.server);
    if (settings.api !== null) {
      open = await publicServer(settings.api.access, security);
      service.serveOn(open);
      apiPort = await open.listen(settings.api.listen);
    }
  } catch (error) {
    await close();
    throw error;
  }
  engine.start();
  return { engine, apiPort, close };
}
