/** The settings of `deqfleet coordinator`: the options as users write them, and what they resolve to. */
import { resolve } from "node:path";
import { z } from "zod";
import { InputError } from "../errors.js";
import { addressSchema, hostOf } from "../wire/address.js";
import { type NatsSettings, natsSettingsSchema } from "./nats-settings.js";
import { secondsSchema } from "./options.js";
import { type ProcessSettings, processOptions, resolveProcessSettings } from "./process-settings.js";
import { type ApiAccess, defaultConcurrentRequests } from "./security-settings.js";

/** Where jobs are kept if nothing is said, in the folder the coordinator is started in. */
export const defaultJobFolder = "deqfleet-jobs";

/** Where a coordinator listens, and is looked for, if nothing is said. */
export const defaultCoordinatorAddress = "127.0.0.1:7700";

/** Servers as one text with commas, or all that is known of the broker as a mapping in a file. */
const natsOptionSchema = z
  .union([
    z.string().transform((text) => ({ servers: text.split(",").map((server) => server.trim()) })),
    z.looseObject({}),
  ])
  .pipe(natsSettingsSchema);

/** The options by their names in a configuration file. */
export const coordinatorOptionsSchema = z
  .strictObject({
    listen: addressSchema,
    advertise: addressSchema,
    rounds: z.union([z.literal("off"), addressSchema]),
    http: addressSchema,
    heartbeat: secondsSchema,
    silence: secondsSchema,
    data: z.string().min(1, "needs a path"),
    nats: natsOptionSchema,
    api: addressSchema,
    apiTokens: z.string().min(1, "needs a path"),
    apiConcurrency: z.int().min(1).max(100_000),
    ...processOptions,
  })
  .partial();

/** Options given by a user; what is left out takes its default. */
export type CoordinatorOptions = z.infer<typeof coordinatorOptionsSchema>;

/** What a coordinator is. */
export interface CoordinatorSettings extends ProcessSettings {
  /** Where it listens, HOST:PORT. */
  readonly listen: string;
  /** Where workers reach it; null: under the host it listens on. A port of 0 stands for the one it got. */
  readonly advertise: string | null;
  /** Where workers of other machines come for the rounds of cut chains, HOST:PORT; null: nowhere, rounds travel in gRPC messages. */
  readonly rounds: string | null;
  /** Where probes and metrics are served over HTTP; null: nowhere. */
  readonly http: string | null;
  /** Seconds between two heartbeats of a worker. */
  readonly heartbeat: number;
  /** Seconds of silence after which a worker is given up, and after which it gives this coordinator up. */
  readonly silence: number;
  /** Where jobs are kept, by this coordinator alone or by a broker that several share. */
  readonly jobs:
    | { readonly kind: "embedded"; readonly folder: string }
    | { readonly kind: "nats"; readonly nats: NatsSettings };
  /** Where the public API is served beside the fleet's own port; null: on that port only. */
  readonly api: { readonly listen: string; readonly access: ApiAccess } | null;
}

/** What settings are resolved against. */
export interface CoordinatorSurroundings {
  /** Folder that relative paths start from. */
  readonly cwd: string;
}

/**
 * Fills in defaults. Options on the command line win over the same options of a configuration file.
 * @throws InputError if workers would be given up between two heartbeats, options exclude each other, or some TLS files are missing
 */
export function resolveCoordinatorSettings(
  flags: CoordinatorOptions,
  file: CoordinatorOptions,
  { cwd }: CoordinatorSurroundings,
): CoordinatorSettings {
  const options: CoordinatorOptions = { ...file, ...flags };
  const { nats, data, api, apiTokens, apiConcurrency } = options;
  if (nats !== undefined && data !== undefined) {
    throw new InputError("--nats and --data: jobs are kept by a broker or in a folder; give one of the two");
  }
  if (api === undefined && (apiTokens !== undefined || apiConcurrency !== undefined)) {
    throw new InputError(
      "--api-tokens and --api-concurrency belong to a port of their own; give --api HOST:PORT",
    );
  }
  const silence = options.silence ?? 10;
  const heartbeat = options.heartbeat ?? Math.min(2, silence / 5);
  if (silence < 2 * heartbeat) {
    throw new InputError(
      `--silence ${silence}: must be at least twice --heartbeat ${heartbeat}, or one late heartbeat costs a worker`,
    );
  }
  const listen = options.listen ?? defaultCoordinatorAddress;
  const { rounds = `${hostOf(listen)}:0` } = options;
  return {
    listen,
    rounds: rounds === "off" ? null : rounds,
    advertise: options.advertise ?? null,
    http: options.http ?? null,
    heartbeat,
    silence,
    jobs: nats
      ? { kind: "nats", nats }
      : { kind: "embedded", folder: resolve(cwd, data ?? defaultJobFolder) },
    api:
      api === undefined
        ? null
        : {
            listen: api,
            access: {
              tokens: apiTokens === undefined ? null : resolve(cwd, apiTokens),
              concurrentRequests: apiConcurrency ?? defaultConcurrentRequests,
            },
          },
    ...resolveProcessSettings(options),
  };
}
