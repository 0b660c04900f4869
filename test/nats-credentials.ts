/** A broker whose users prove who they are by signed credentials, as `nsc` would set it up. */
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nkeys } from "nats";

type KeyPair = ReturnType<typeof nkeys.createUser>;

const base64 = (bytes: string | Uint8Array): string => Buffer.from(bytes).toString("base64url");

/** A token of NATS: what `issuer` says of `subject`. */
function token(issuer: KeyPair, subject: KeyPair, name: string, nats: object): string {
  const claims = {
    jti: randomUUID(),
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name,
    nats: { version: 2, ...nats },
  };
  const text = `${base64('{"typ":"JWT","alg":"ed25519-nkey"}')}.${base64(JSON.stringify(claims))}`;
  return `${text}.${base64(issuer.sign(Buffer.from(text)))}`;
}

/** Writes a server's configuration with one account that may use JetStream, and the credentials of a user of it. */
export async function writeCredentials(
  folder: string,
): Promise<{ readonly configuration: string; readonly credentials: string }> {
  const [operator, system, account, user] = [
    nkeys.createOperator(),
    nkeys.createAccount(),
    nkeys.createAccount(),
    nkeys.createUser(),
  ];
  const all = {
    subs: -1,
    data: -1,
    payload: -1,
    conn: -1,
    leaf: -1,
    imports: -1,
    exports: -1,
    wildcards: true,
  };
  const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const accountToken = token(operator, account, "fleet", { type: "account", limits: { ...all, ...storage } });
  const systemToken = token(operator, system, "system", { type: "account", limits: all });
  const userToken = token(account, user, "coordinator", {
    type: "user",
    pub: {},
    sub: {},
    subs: -1,
    data: -1,
    payload: -1,
  });
  const configuration = join(folder, "server.conf");
  await writeFile(
    configuration,
    [
      `operator: ${token(operator, operator, "operator", { type: "operator" })}`,
      `system_account: ${system.getPublicKey()}`,
      "resolver: MEMORY",
      `resolver_preload: { ${account.getPublicKey()}: ${accountToken}, ${system.getPublicKey()}: ${systemToken} }`,
    ].join("\n"),
  );
  const credentials = join(folder, "user.creds");
  await writeFile(
    credentials,
    [
      "-----BEGIN NATS USER JWT-----",
      userToken,
      "------END NATS USER JWT------",
      "",
      "-----BEGIN USER NKEY SEED-----",
      Buffer.from(user.getSeed()).toString("ascii"),
      "------END USER NKEY SEED------",
      "",
    ].join("\n"),
  );
  return { configuration, credentials };
}
