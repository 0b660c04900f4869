/** Certificates to try a fleet with: an authority of one's own, and certificates for its processes. Not for production. */
import "reflect-metadata";
import { mkdir, open } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { DeqfleetError, FatalError, InputError } from "../errors.js";

/** Name in every certificate besides its hosts: what `serverName` is set to where addresses come and go. */
export const fleetServerName = "deqfleet.internal";

/** Who gets a certificate; `client` is for the command line. */
export const developmentRoles = ["coordinator", "worker", "client"] as const;

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
/** Clocks of machines differ. */
const clockSkewMilliseconds = 3600_000;
const dayMilliseconds = 24 * 3600_000;

type KeyPair = Awaited<ReturnType<typeof newKeys>>;
const newKeys = () => crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

async function keyPem({ privateKey }: KeyPair): Promise<string> {
  return PemConverter.encode(await crypto.subtle.exportKey("pkcs8", privateKey), "PRIVATE KEY");
}

/** Who signs, from when to when. */
interface Issue {
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly signingAlgorithm: typeof algorithm;
}

const issueAuthority = (keys: KeyPair, issue: Issue): Promise<X509Certificate> =>
  X509CertificateGenerator.createSelfSigned({
    ...issue,
    name: "CN=deqfleet development authority",
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });

const issueFor = (
  role: string,
  hosts: readonly string[],
  keys: KeyPair,
  authority: { readonly certificate: X509Certificate; readonly keys: KeyPair },
  issue: Issue,
): Promise<X509Certificate> =>
  X509CertificateGenerator.create({
    ...issue,
    subject: `CN=deqfleet ${role}`,
    issuer: authority.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: authority.keys.privateKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      // Every process both listens and dials.
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension(
        [fleetServerName, ...hosts].map((value) => ({ type: isIP(value) ? "ip" : "dns", value })),
      ),
    ],
  });

/** Writes a new file; an existing one may be in use somewhere. */
async function writeNew(path: string, text: string, mode: number): Promise<void> {
  try {
    const file = await open(path, "wx", mode);
    try {
      await file.writeFile(text);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") {
      throw new InputError(`${path} exists; remove it, or choose another --out`, { cause });
    }
    throw new FatalError(`${path} cannot be written: ${DeqfleetError.messageOf(cause)}`, { cause });
  }
}

/**
 * Writes `ca.pem`, and `ROLE.pem` and `ROLE-key.pem` for every role, into a folder; keys can be read by their owner only.
 * @param hosts DNS names and addresses that all of them are good for, besides {@link fleetServerName}
 * @param days they are good for, 1 or more
 * @returns the paths written
 * @throws InputError if one of the files exists, FatalError if the folder cannot be written
 */
export async function makeDevelopmentCertificates(
  folder: string,
  hosts: readonly string[],
  days: number,
  now = new Date(),
): Promise<readonly string[]> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw new FatalError(`${folder} cannot be made: ${DeqfleetError.messageOf(cause)}`, { cause });
  }
  const issue: Issue = {
    notBefore: new Date(now.getTime() - clockSkewMilliseconds),
    notAfter: new Date(now.getTime() + days * dayMilliseconds),
    signingAlgorithm: algorithm,
  };
  const keys = await newKeys();
  const authority = { keys, certificate: await issueAuthority(keys, issue) };
  const written: string[] = [];
  const write = async (name: string, text: string, mode: number) => {
    const path = join(folder, name);
    await writeNew(path, text.endsWith("\n") ? text : `${text}\n`, mode);
    written.push(path);
  };
  // The authority's key is thrown away: whoever needs more certificates makes a new set.
  await write("ca.pem", authority.certificate.toString("pem"), 0o644);
  for (const role of developmentRoles) {
    const own = await newKeys();
    const certificate = await issueFor(role, hosts, own, authority, issue);
    await write(`${role}.pem`, certificate.toString("pem"), 0o644);
    await write(`${role}-key.pem`, await keyPem(own), 0o600);
  }
  return written;
}
