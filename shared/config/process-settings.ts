/** What the settings of all long-lived processes have in common: transport security, logs, traces. */
import { z } from "zod";
import { InputError } from "../errors.js";
import { type LogLevel, logLevels } from "../telemetry/log.js";
import type { TlsSettings } from "./security-settings.js";

const path = z.string().min(1, "needs a path");

/** Lines for people, or JSON objects for programs. */
export const logFormats = ["text", "json"] as const;
export type LogFormat = (typeof logFormats)[number];

/** Options to be spread into the schema of a process's options. */
export const processOptions = {
  tlsCa: path,
  tlsCert: path,
  tlsKey: path,
  tlsServerName: z.string().min(1),
  log: z.enum(logFormats),
  logLevel: z.enum(logLevels),
  traces: z.url({ protocol: /^https?$/, error: "needs http://HOST:PORT/v1/traces" }),
};
const processOptionsSchema = z.strictObject(processOptions).partial();
export type ProcessOptions = z.infer<typeof processOptionsSchema>;

/** Those of them that are paths. */
export const processPathOptions = ["tlsCa", "tlsCert", "tlsKey"] as const;

/** The options' settings. */
export interface ProcessSettings {
  /** null: nothing is encrypted, and everybody is trusted. */
  readonly tls: TlsSettings | null;
  readonly log: LogFormat;
  readonly logLevel: LogLevel;
  /** Where traces go by OTLP over HTTP; null: nowhere. */
  readonly traces: string | null;
}

/**
 * Fills in defaults.
 * @throws InputError if only some of the three TLS files are given
 */
export function resolveProcessSettings(options: ProcessOptions): ProcessSettings {
  const { tlsCa: ca, tlsCert: cert, tlsKey: key, tlsServerName: serverName = null } = options;
  let tls: TlsSettings | null = null;
  if (ca !== undefined && cert !== undefined && key !== undefined) tls = { ca, cert, key, serverName };
  else if ([ca, cert, key].some((file) => file !== undefined)) {
    throw new InputError("--tls-ca, --tls-cert and --tls-key belong together; give all three, or none");
  }
  return {
    tls,
    log: options.log ?? "text",
    logLevel: options.logLevel ?? "info",
    traces: options.traces ?? null,
  };
}
