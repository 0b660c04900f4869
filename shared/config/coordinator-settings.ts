/** The settings of `deqfleet coordinator`: the options as users write them, and what they resolve to. */
import { z } from "zod";
import { InputError } from "../errors.js";
import { addressSchema } from "../wire/address.js";
import { secondsSchema } from "./options.js";
import { type ProcessSettings, processOptions, resolveProcessSettings } from "./process-settings.js";

/** Where a coordinator listens, and is looked for, if nothing is said. */
export const defaultCoordinatorAddress = "127.0.0.1:7700";

/** The options by their names in a configuration file. */
export const coordinatorOptionsSchema = z
  .strictObject({
    listen: addressSchema,
    advertise: addressSchema,
    http: addressSchema,
    heartbeat: secondsSchema,
    silence: secondsSchema,
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
  /** Where probes and metrics are served over HTTP; null: nowhere. */
  readonly http: string | null;
  /** Seconds between two heartbeats of a worker. */
  readonly heartbeat: number;
  /** Seconds of silence after which a worker is given up, and after which it gives this coordinator up. */
  readonly silence: number;
}

/**
 * Fills in defaults. Options on the command line win over the same options of a configuration file.
 * @throws InputError if workers would be given up between two heartbeats, or some TLS files are missing
 */
export function resolveCoordinatorSettings(
  flags: CoordinatorOptions,
  file: CoordinatorOptions,
): CoordinatorSettings {
  const options: CoordinatorOptions = { ...file, ...flags };
  const silence = options.silence ?? 10;
  const heartbeat = options.heartbeat ?? Math.min(2, silence / 5);
  if (silence < 2 * heartbeat) {
    throw new InputError(
      `--silence ${silence}: must be at least twice --heartbeat ${heartbeat}, or one late heartbeat costs a worker`,
    );
  }
  return {
    listen: options.listen ?? defaultCoordinatorAddress,
    advertise: options.advertise ?? null,
    http: options.http ?? null,
    heartbeat,
    silence,
    ...resolveProcessSettings(options),
  };
}
