/** How the NATS broker of a fleet is reached. Secrets are in files: the settings themselves may be shown and logged. */
import { isIP } from "node:net";
import { z } from "zod";

const path = z.string().min(1, "needs a path");

/** `nats://HOST:PORT`, or `tls://` to insist on TLS. */
const serverUrl = z
  .string()
  .regex(
    /^(nats|tls):\/\/[^\s/@]+$/,
    "needs nats://HOST:PORT or tls://HOST:PORT, without user and password: name files that hold them instead",
  );

/** Whether a server is given by its IP address. */
const hasAddress = (url: string): boolean => {
  const host = url.replace(/^\w+:\/\//, "").replace(/:\d+$/, "");
  return isIP(host.replace(/^\[(.*)\]$/, "$1")) !== 0;
};

export const natsSettingsSchema = z
  .strictObject({
    /** Servers of one cluster; others are learnt from them. */
    servers: z.array(serverUrl).min(1),
    /** File of a user's JWT and seed, as `nsc` writes it. */
    credentials: path.optional(),
    user: z.string().min(1).optional(),
    passwordFile: path.optional(),
    tokenFile: path.optional(),
    /** Certificate authority of the servers; certificate and key of this client. PEM files. */
    tls: z
      .strictObject({ ca: path.optional(), certificate: path.optional(), key: path.optional() })
      .refine(
        ({ certificate, key }) => (certificate === undefined) === (key === undefined),
        "needs both certificate and key, or neither",
      )
      .optional(),
    /** Names of streams and subjects begin with it: fleets of different prefixes share a broker without meeting. */
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,32}$/, "needs letters, digits, dashes and underscores, at most 32")
      .default("deqfleet"),
    /** Servers that keep each message; 3 survives the loss of one. */
    replicas: z.int().min(1).max(5).default(1),
  })
  .refine(
    ({ user, passwordFile }) => (user === undefined) === (passwordFile === undefined),
    "needs both user and passwordFile, or neither",
  )
  .refine(
    ({ credentials, user, tokenFile }) =>
      [credentials, user, tokenFile].filter((way) => way !== undefined).length <= 1,
    "needs one of credentials, user with passwordFile, tokenFile",
  )

  .refine(
    ({ servers, tls }) =>
      !servers.some((url) => (tls !== undefined || url.startsWith("tls:")) && hasAddress(url)),
    "over TLS needs servers by their names: the client compares no addresses with certificates",
  );

/** Settings with their defaults. */
export type NatsSettings = z.infer<typeof natsSettingsSchema>;
/** Settings as users give them. */
export type NatsOptions = z.input<typeof natsSettingsSchema>;
