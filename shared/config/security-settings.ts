/** How processes prove to each other who they are, and how users of the public API prove who they are. */
import { z } from "zod";

const file = z.string().min(1, "needs a path");

/** PEM files of one process. All three are read again when they change, so that certificates can be rotated. */
export const tlsSettingsSchema = z.strictObject({
  /** Certificates of the authorities whose peers are trusted. */
  ca: file,
  /** This process's certificate and the chain behind it. */
  cert: file,
  key: file,
  /**
   * Name that peers' certificates must carry; null: the host of the address that is dialled. Where addresses come and go, as in
   * Kubernetes, give all processes certificates with one name.
   */
  serverName: z.string().min(1).nullable().default(null),
});
export type TlsSettings = z.infer<typeof tlsSettingsSchema>;

/** Access to the public API. */
export const apiAccessSchema = z.strictObject({
  /** File of bearer tokens, one a line, `#` for comments; null: none are asked for. */
  tokens: file.nullable(),
  /** Requests served at the same time, streams included. */
  concurrentRequests: z.int().min(1).max(100_000),
});
export type ApiAccess = z.infer<typeof apiAccessSchema>;

export const defaultConcurrentRequests = 256;
