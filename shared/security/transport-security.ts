/** Mutual TLS between the processes of a fleet: credentials of channels and servers from PEM files. */
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import {
  type ChannelCredentials,
  type ChannelOptions,
  credentials,
  experimental,
  ServerCredentials,
} from "@grpc/grpc-js";
import { type ProcessOptions, resolveProcessSettings } from "../config/process-settings.js";
import type { TlsSettings } from "../config/security-settings.js";
import { DeqfleetError, InputError } from "../errors.js";

/** What channels are dialled with and servers listen with. */
export interface TransportSecurity {
  readonly channel: ChannelCredentials;
  /** Added to a channel's options. */
  readonly channelOptions: ChannelOptions;
  /** Of servers that only processes of the fleet may talk to: a client without a trusted certificate is refused. */
  readonly server: ServerCredentials;
  /** Of the public API: encrypted, and open to clients that have no certificate; they are asked for a token. */
  readonly publicServer: ServerCredentials;
}

/** Nothing is encrypted and everybody is trusted: loopback, and networks that are closed otherwise. */
export const insecureTransport: TransportSecurity = {
  channel: credentials.createInsecure(),
  channelOptions: {},
  server: ServerCredentials.createInsecure(),
  publicServer: ServerCredentials.createInsecure(),
};

/** How often the files are looked at: authorities renew certificates days before they end. */
const defaultRefreshMilliseconds = 30_000;

async function readPem(option: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new InputError(`${option} ${path} cannot be read: ${DeqfleetError.messageOf(cause)}`, { cause });
  }
}

async function readAuthorities(ca: string): Promise<Buffer> {
  const authorities = await readPem("--tls-ca", ca);
  try {
    new X509Certificate(authorities);
  } catch (cause) {
    throw new InputError(`--tls-ca ${ca} is no PEM certificate: ${DeqfleetError.messageOf(cause)}`, {
      cause,
    });
  }
  return authorities;
}

/** Refuses files that would only show as failed handshakes later. */
async function checkFiles({ ca, cert, key }: TlsSettings, now: Date): Promise<void> {
  const [authorities, chain, secret] = [
    await readAuthorities(ca),
    await readPem("--tls-cert", cert),
    await readPem("--tls-key", key),
  ];
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(chain);
  } catch (cause) {
    throw new InputError(`--tls-cert ${cert} is no PEM certificate: ${DeqfleetError.messageOf(cause)}`, {
      cause,
    });
  }
  try {
    createSecureContext({ ca: authorities, cert: chain, key: secret });
  } catch (cause) {
    throw new InputError(
      `--tls-key ${key} is not the key of --tls-cert ${cert}: ${DeqfleetError.messageOf(cause)}`,
      { cause },
    );
  }
  if (new Date(certificate.validTo) < now) {
    throw new InputError(`--tls-cert ${cert} ended on ${certificate.validTo}; renew it`);
  }
}

const namedPeer = (serverName: string | null): ChannelOptions =>
  serverName === null ? {} : { "grpc.ssl_target_name_override": serverName };

/**
 * Reads the files of a process.
 * @param tls null for {@link insecureTransport}
 * @throws InputError naming the file that is missing, no certificate, expired, or not the key of the certificate
 */
export async function transportSecurity(
  tls: TlsSettings | null,
  now = new Date(),
  refreshMilliseconds = defaultRefreshMilliseconds,
): Promise<TransportSecurity> {
  if (tls === null) return insecureTransport;
  await checkFiles(tls, now);
  const files = new experimental.FileWatcherCertificateProvider({
    caCertificateFile: tls.ca,
    certificateFile: tls.cert,
    privateKeyFile: tls.key,
    refreshIntervalMs: refreshMilliseconds,
  });
  return {
    channel: experimental.createCertificateProviderChannelCredentials(files, files),
    channelOptions: namedPeer(tls.serverName),
    server: experimental.createCertificateProviderServerCredentials(files, files, true),
    // Without authorities of clients, none is asked for its certificate.
    publicServer: experimental.createCertificateProviderServerCredentials(files, null, false),
  };
}

/** The flags of a command that talks to a coordinator. */
export type ClientTlsOptions = Pick<ProcessOptions, "tlsCa" | "tlsCert" | "tlsKey" | "tlsServerName">;

/**
 * What a command dials a coordinator with. Authorities alone make a client that knows whom it talks to and shows no certificate,
 * which the public API takes.
 * @throws InputError as {@link transportSecurity}, or if a certificate is given without its key, or either without authorities
 */
export async function clientSecurity(
  options: ClientTlsOptions,
): Promise<Pick<TransportSecurity, "channel" | "channelOptions">> {
  const { tlsCa, tlsCert, tlsKey, tlsServerName = null } = options;
  if (tlsCa === undefined || tlsCert !== undefined || tlsKey !== undefined) {
    return transportSecurity(resolveProcessSettings(options).tls);
  }
  return {
    channel: credentials.createSsl(await readAuthorities(tlsCa)),
    channelOptions: namedPeer(tlsServerName),
  };
}
