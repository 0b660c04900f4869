/** The settings of `deqfleet worker`: the options as users write them, and what they resolve to. */
import { availableParallelism, hostname } from "node:os";
import { resolve } from "node:path";
import { z } from "zod";
import type { Device } from "../onnx/session.js";
import { addressSchema } from "../wire/address.js";
import { defaultCoordinatorAddress } from "./coordinator-settings.js";
import { deviceSchema } from "./device-options.js";
import { secondsSchema } from "./options.js";
import { type ProcessSettings, processOptions, resolveProcessSettings } from "./process-settings.js";

const path = z.string().min(1, "needs a path");

/** A worker's name: what a host or a pod may be called. */
export const workerNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,128}$/, "needs letters, digits, dots, dashes and underscores, at most 128");

/** Addresses as a list, or as one text with commas. */
const addressesSchema = z
  .union([
    z.string().transform((text) => text.split(",").map((address) => address.trim())),
    z.array(z.string()),
  ])
  .pipe(z.array(addressSchema).min(1));

/** The options by their names in a configuration file. */
export const workerOptionsSchema = z
  .strictObject({
    coordinator: addressesSchema,
    model: path,
    listen: addressSchema,
    advertise: addressSchema,
    http: addressSchema,
    name: workerNameSchema,
    device: deviceSchema,
    threads: z.int().min(1),
    batch: z.int().min(1),
    grace: secondsSchema,
    measure: z.number().min(0).max(3600),
    ...processOptions,
  })
  .partial();

/** Options given by a user; what is left out takes its default. */
export type WorkerOptions = z.infer<typeof workerOptionsSchema>;

/** What a worker is. */
export interface WorkerSettings extends ProcessSettings {
  /** Where coordinators may be, HOST:PORT each, the preferred one first. */
  readonly coordinators: readonly string[];
  /** The model file, absolute. */
  readonly model: string;
  /** Where it listens for its coordinator, HOST:PORT. */
  readonly listen: string;
  /** Where its coordinator reaches it; null: under the host it listens on. A port of 0 stands for the one it got. */
  readonly advertise: string | null;
  /** Where probes and metrics are served over HTTP; null: nowhere. */
  readonly http: string | null;
  /** Unique in the fleet. */
  readonly name: string;
  readonly device: Device;
  readonly threads: number;
  /** Pictures in one network call where it has whole chains; null: chosen by their size. */
  readonly batch: number | null;
  /** Seconds between the request to stop and the end, at most. */
  readonly grace: number;
  /** Seconds spent on measuring network calls before it joins. */
  readonly measure: number;
}

/** What settings are resolved against. */
export interface WorkerSurroundings {
  /** Folder that relative paths start from. */
  readonly cwd: string;
  /** Model used when none is named. */
  readonly defaultModel: string;
  /** Default: cores this process may use. */
  readonly cores?: number;
  /** Default: this host's name and this process's number. */
  readonly defaultName?: string;
}

/**
 * Fills in defaults. Options on the command line win over the same options of a configuration file.
 * @throws InputError if some TLS files are missing
 */
export function resolveWorkerSettings(
  flags: WorkerOptions,
  file: WorkerOptions,
  surroundings: WorkerSurroundings,
): WorkerSettings {
  const { cwd, defaultModel, cores = availableParallelism() } = surroundings;
  const { defaultName = `${hostname()}-${process.pid}` } = surroundings;
  const options: WorkerOptions = { ...file, ...flags };
  return {
    coordinators: options.coordinator ?? [defaultCoordinatorAddress],
    model: resolve(cwd, options.model ?? defaultModel),
    listen: options.listen ?? "127.0.0.1:0",
    advertise: options.advertise ?? null,
    http: options.http ?? null,
    name: options.name ?? defaultName,
    device: options.device ?? "cpu",
    threads: options.threads ?? cores,
    batch: options.batch ?? null,
    grace: options.grace ?? 60,
    measure: options.measure ?? 3,
    ...resolveProcessSettings(options),
  };
}
