/** Mutual TLS of sockets that are not gRPC's, from the same files. */
import { readFileSync, statSync } from "node:fs";
import { createServer as createPlain, connect as dialPlain, isIP, type Server, type Socket } from "node:net";
import {
  checkServerIdentity as checkIdentity,
  createServer as createSecure,
  connect as dialSecure,
  type PeerCertificate,
  type SecureContextOptions,
} from "node:tls";
import type { TlsSettings } from "../config/security-settings.js";
import { hostOf, portOf } from "../wire/address.js";

/** Milliseconds in which a client has to show its certificate. */
const handshakeMilliseconds = 5_000;

/** How often a server looks at its files: authorities renew certificates days before they end. */
const refreshMilliseconds = 30_000;

const contextOf = ({ ca, cert, key }: TlsSettings): SecureContextOptions => ({
  ca: readFileSync(ca),
  cert: readFileSync(cert),
  key: readFileSync(key),
});

const stampOf = ({ ca, cert, key }: TlsSettings): string =>
  [ca, cert, key].map((file) => statSync(file).mtimeMs).join(" ");

/** As {@link hostOf}, an IPv6 host without its brackets. */
const bareHost = (address: string): string => hostOf(address).replace(/^\[(.*)\]$/, "$1");

/**
 * A server, not listening yet. With files it asks its clients for certificates, refuses those it cannot trust, and follows the files when they change.
 * @param tls null: everybody is trusted, nothing is encrypted
 */
export function socketServer(tls: TlsSettings | null): Server {
  if (tls === null) return createPlain();
  let stamp = stampOf(tls);
  const checked = { requestCert: true, rejectUnauthorized: true, handshakeTimeout: handshakeMilliseconds };
  const server = createSecure({ ...contextOf(tls), ...checked });
  // Node says that a handshake has failed, or takes too long, and leaves the connection open.
  server.on("tlsClientError", (_, socket) => socket.destroy());
  const follow = setInterval(() => {
    try {
      const now = stampOf(tls);
      if (now === stamp) return;
      server.setSecureContext(contextOf(tls));
      stamp = now;
    } catch {
      // Files in the middle of their replacement: those that were read before still hold.
    }
  }, refreshMilliseconds).unref();
  server.on("close", () => clearInterval(follow));
  return server;
}

/**
 * Dials an address; errors come as the socket's.
 * @param address HOST:PORT
 * @param tls null: in the clear
 * @throws what reading the files throws
 */
export function dialSocket(address: string, tls: TlsSettings | null): Socket {
  const [host, port] = [bareHost(address), portOf(address)];
  if (tls === null) return dialPlain({ host, port });
  const name = tls.serverName ?? host;
  // An address is no name to ask a server for; its certificate is held against it all the same.
  const asked = isIP(name) === 0 ? { servername: name } : {};
  const checkServerIdentity = (_: string, certificate: PeerCertificate) => checkIdentity(name, certificate);
  return dialSecure({ ...contextOf(tls), host, port, ...asked, checkServerIdentity });
}

/** Has a server listen. @param address HOST:PORT, port 0 for a free one @returns the port; rejects if it cannot be bound */
export function listenOn(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: bareHost(address), port: portOf(address) }, () => {
      server.off("error", reject);
      const bound = server.address();
      resolve(typeof bound === "object" && bound ? bound.port : portOf(address));
    });
  });
}
