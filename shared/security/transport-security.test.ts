import { copyFile, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ProbeServer, probe, startProbeServer } from "../../test/probe-server.js";
import { tlsFiles } from "../../test/tls-files.js";
import { InputError } from "../errors.js";
import { fleetServerName, makeDevelopmentCertificates } from "./development-authority.js";
import { clientSecurity, transportSecurity } from "./transport-security.js";

let folder: string;
/** Certificates for 127.0.0.1, for another host, and of another authority. */
const tlsOf = (set: string, role: string, serverName: string | null = null) =>
  tlsFiles(join(folder, set), role, serverName);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-tls-"));
  await makeDevelopmentCertificates(join(folder, "here"), ["127.0.0.1"], 1);
  await makeDevelopmentCertificates(join(folder, "elsewhere"), ["far.example"], 1);
});
afterAll(async () => rm(folder, { recursive: true }));

describe("development certificates", () => {
  it("keeps keys to their owner, and never writes over a file", async () => {
    const { mode } = await stat(join(folder, "here", "worker-key.pem"));
    expect(mode & 0o777).toBe(0o600);
    await expect(makeDevelopmentCertificates(join(folder, "here"), [], 1)).rejects.toThrow(
      /ca\.pem exists; remove it, or choose another --out/,
    );
  });
});

describe("mutual TLS", () => {
  let server: ProbeServer;
  beforeAll(async () => {
    server = await startProbeServer((await transportSecurity(tlsOf("here", "coordinator"))).server);
  });
  afterAll(() => server.close());

  it("connects processes of one authority", async () => {
    const { channel } = await transportSecurity(tlsOf("here", "worker"));
    expect(await probe(server.port, channel)).toBe("hello");
  });

  it("has a public side, for clients that know its authority and have no certificate", async () => {
    const open = await startProbeServer((await transportSecurity(tlsOf("here", "coordinator"))).publicServer);
    const knowing = (set: string) => clientSecurity({ tlsCa: tlsOf(set, "client").ca });
    try {
      expect(await probe(open.port, (await knowing("here")).channel)).toBe("hello");
      await expect(probe(open.port, (await knowing("elsewhere")).channel)).rejects.toThrow();
    } finally {
      open.close();
    }
    await expect(probe(server.port, (await knowing("here")).channel)).rejects.toThrow();
    const { cert } = tlsOf("here", "client");
    for (const some of [{ tlsCert: cert }, { tlsCa: tlsOf("here", "client").ca, tlsCert: cert }]) {
      await expect(clientSecurity(some)).rejects.toThrow(/belong together/);
    }
    await expect(clientSecurity({ tlsCa: join(folder, "none.pem") })).rejects.toThrow(/--tls-ca .*none\.pem/);
    expect(await clientSecurity({})).toMatchObject({ channelOptions: {} });
  });

  it("refuses a client without a certificate, and one of another authority", async () => {
    const { ca } = tlsOf("here", "worker");
    const anonymous = credentials.createSsl(await readFile(ca));
    await expect(probe(server.port, anonymous)).rejects.toMatchObject({ code: status.UNAVAILABLE });
    // It trusts this server, but has a certificate that this server does not trust.
    const foreign = tlsOf("elsewhere", "worker");
    const { channel } = await transportSecurity({ ...foreign, ca });
    await expect(probe(server.port, channel)).rejects.toMatchObject({ code: status.UNAVAILABLE });
  });

  it("refuses a server of another authority, and plain text", async () => {
    const { channel } = await transportSecurity(tlsOf("elsewhere", "worker"));
    await expect(probe(server.port, channel)).rejects.toMatchObject({ code: status.UNAVAILABLE });
    await expect(probe(server.port, credentials.createInsecure())).rejects.toMatchObject({
      code: status.UNAVAILABLE,
    });
  });

  it("refuses a certificate of another host, unless it carries the name asked for", async () => {
    const far = await startProbeServer((await transportSecurity(tlsOf("elsewhere", "coordinator"))).server);
    try {
      const byHost = await transportSecurity(tlsOf("elsewhere", "worker"));
      await expect(probe(far.port, byHost.channel)).rejects.toMatchObject({ code: status.UNAVAILABLE });
      const byName = await transportSecurity(tlsOf("elsewhere", "worker", fleetServerName));
      expect(await probe(far.port, byName.channel, { options: byName.channelOptions })).toBe("hello");
    } finally {
      far.close();
    }
  });
});

describe("transportSecurity", () => {
  it("names the file that cannot work, and why", async () => {
    const good = tlsOf("here", "worker");
    const text = join(folder, "text.pem");
    await writeFile(text, "no certificate");
    const refused = (tls: Partial<typeof good>, now?: Date) =>
      expect(transportSecurity({ ...good, ...tls }, now)).rejects;
    await refused({ ca: join(folder, "none.pem") }).toThrow(/^--tls-ca .*none\.pem cannot be read: ENOENT/);
    await refused({ ca: text }).toThrow(/^--tls-ca .*text\.pem is no PEM certificate/);
    await refused({ cert: text }).toThrow(/^--tls-cert .*text\.pem is no PEM certificate/);
    await refused({ key: tlsOf("here", "client").key }).toThrow(
      /^--tls-key .*client-key\.pem is not the key of --tls-cert .*worker\.pem/,
    );
    const later = new Date(Date.now() + 3 * 24 * 3600_000);
    await refused({}, later).toThrow(/^--tls-cert .*worker\.pem ended on .*; renew it/);
    await refused({}, later).toBeInstanceOf(InputError);
  });

  it("goes on with certificates that were renewed in place", async () => {
    const renewed = join(folder, "renewed");
    await makeDevelopmentCertificates(renewed, ["127.0.0.1"], 1);
    const server = await startProbeServer(
      (await transportSecurity(tlsOf("renewed", "worker"), undefined, 50)).server,
    );
    try {
      const before = await transportSecurity(tlsOf("renewed", "client"));
      expect(await probe(server.port, before.channel)).toBe("hello");
      for (const name of ["ca.pem", "worker.pem", "worker-key.pem"]) {
        await copyFile(join(folder, "here", name), join(renewed, name));
      }
      const after = await transportSecurity(tlsOf("here", "client"));
      await expect
        .poll(() => probe(server.port, after.channel).catch(() => "refused"), { timeout: 10_000 })
        .toBe("hello");
    } finally {
      server.close();
    }
  });
});
