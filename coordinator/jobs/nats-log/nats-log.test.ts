import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type NatsOptions, natsSettingsSchema } from "../../../shared/config/nats-settings.js";
import { InputError, RetryableError } from "../../../shared/errors.js";
import { makeDevelopmentCertificates } from "../../../shared/security/development-authority.js";
import { dockerRuns } from "../../../test/docker.js";
import { jobLogConformance } from "../../../test/job-log-conformance.js";
import type { LogPlace } from "../../../test/job-log-process.js";
import { deadLetter, itemOutcome, jobRecord, workItems } from "../../../test/job-samples.js";
import { startNatsContainer } from "../../../test/nats-container.js";
import { writeCredentials } from "../../../test/nats-credentials.js";
import { startNatsServer } from "../../../test/nats-server.js";
import { temporaryFolder } from "../../../test/small-pictures.js";
import { NatsLog } from "./nats-log.js";

const inContainer = dockerRuns();
let server: { readonly url: string; close(): Promise<void> };
let places = 0;
beforeAll(async () => {
  server = await (inContainer ? startNatsContainer() : startNatsServer());
});
afterAll(() => server.close());

const settings = (options: Partial<NatsOptions> = {}) =>
  natsSettingsSchema.parse({ servers: [server.url], ...options });

/** Streams of its own on the one server. */
const newPlace = async (): Promise<LogPlace> => ({
  kind: "nats",
  place: settings({ prefix: `test-${places++}` }),
});

async function opened(...[options, logOptions]: Parameters<typeof NatsLog.open>): Promise<NatsLog> {
  const log = await NatsLog.open(options, logOptions);
  onTestFinished(() => log.close());
  return log;
}

const { signal } = new AbortController();

describe(`the NATS log, on a server ${inContainer ? "in a container" : "beside it"}`, () => {
  jobLogConformance(newPlace, true);
});

describe("the streams of the NATS log", () => {
  let connection: NatsConnection;
  beforeAll(async () => {
    connection = await connect({ servers: server.url });
  });
  afterAll(() => connection.close());

  it("are in files, and refuse the new rather than drop the old", async () => {
    await opened(settings({ prefix: "files" }));
    const { streams } = await connection.jetstreamManager();
    for (const [name, retention] of [
      ["files-items", "workqueue"],
      ["files-outcomes", "limits"],
      ["files-dead", "limits"],
      ["KV_files-jobs", "limits"],
      ["KV_files-holds", "limits"],
    ]) {
      const { config } = await streams.info(name);
      expect(config, name).toMatchObject({ storage: "file", discard: "new", retention, num_replicas: 1 });
    }
  });

  it("of two fleets are apart", async () => {
    const [one, other] = [
      await opened(settings({ prefix: "one" })),
      await opened(settings({ prefix: "other" })),
    ];
    await one.create(jobRecord("photos"));
    await one.publish("photos", workItems(0, 3));
    await one.record("photos", itemOutcome(0));
    expect(await other.list()).toEqual([]);
    expect(await other.take("photos", 1, { waitMilliseconds: 100, signal })).toEqual([]);
    expect(await other.create(jobRecord("photos", { listed: 9 }))).toMatchObject({ created: true });
    expect((await one.get("photos"))?.listed).toBe(0);
  });

  it("that are full say so, and lose nothing", async () => {
    const log = await opened(settings({ prefix: "full" }), { patienceMilliseconds: 300 });
    const { streams } = await connection.jetstreamManager();
    await streams.update("full-items", { max_msgs: 5 });
    await log.publish("photos", workItems(0, 5));
    const publishing = log.publish("photos", workItems(5, 7));
    await expect(publishing).rejects.toThrow(RetryableError);
    await expect(publishing).rejects.toThrow(/maximum messages exceeded/);
    const taken = await log.take("photos", 10, { waitMilliseconds: 5000, signal });
    expect(taken.map(({ item }) => item)).toEqual(workItems(0, 5));
    for (const item of taken) await item.settle();
    await log.publish("photos", workItems(5, 7));
    expect(await log.backlog("photos")).toEqual({ queued: 2, taken: 0 });
  });

  it("take no message that is larger than the broker's limit", async () => {
    const log = await opened(settings({ prefix: "large" }));
    const errors = ["x".repeat(2 << 20)];
    for (const writing of [
      log.record("photos", itemOutcome(0, { errors })),
      log.bury("photos", deadLetter(0, ...errors)),
    ]) {
      await expect(writing).rejects.toThrow(InputError);
      await expect(writing).rejects.toThrow(
        /\d+ bytes, NATS takes 1048576 in a message: raise its max_payload/,
      );
    }
  });

  it("and buckets take no name that would be another subject", async () => {
    const log = await opened(settings({ prefix: "names" }));
    for (const name of ["*", "a b", ""]) await expect(log.hold(name)).rejects.toThrow(InputError);
    await expect(log.publish("a.b", workItems(0, 1))).rejects.toThrow(/job name "a.b" must be a DNS label/);
  });

  it("count an item once that is published again at once", async () => {
    const log = await opened(settings({ prefix: "again" }));
    await log.publish("photos", workItems(0, 3));
    await log.publish("photos", workItems(0, 4));
    expect((await log.backlog("photos")).queued).toBe(4);
  });
});

describe("a name that is held", () => {
  it("and is lost says so as something that may be tried again", async () => {
    const log = await opened(settings({ prefix: "lost" }), { holdMilliseconds: 1000 });
    const connection = await connect({ servers: server.url });
    onTestFinished(() => connection.close());
    const held = await log.hold("photos");
    await (await connection.jetstream().views.kv("lost-holds")).put("photos", "another");
    await expect.poll(() => held?.lost.aborted, { timeout: 5000 }).toBe(true);
    expect(held?.lost.reason).toBeInstanceOf(RetryableError);
    expect(held?.lost.reason.message).toBe("this process no longer holds photos: another may have taken it");
  });
});

describe("reaching the broker", () => {
  it("is refused at an address where none listens, to be tried again", async () => {
    const opening = NatsLog.open(settings({ servers: ["nats://127.0.0.1:1"] }));
    await expect(opening).rejects.toThrow(RetryableError);
    await expect(opening).rejects.toThrow(
      "NATS at nats://127.0.0.1:1 cannot be reached: the connection is refused",
    );
  });

  it.each([
    ["a password", ["--user", "fleet", "--pass", "s3cret-word"], "passwordFile", { user: "fleet" }],
    ["a token", ["--auth", "s3cret-word"], "tokenFile", {}],
  ] as const)(
    "needs %s where the broker asks for it, which no message repeats",
    async (_, args, option, more) => {
      const guarded = await startNatsServer(args);
      onTestFinished(() => guarded.close());
      const file = join(await temporaryFolder(), "secret");
      const asked = settings({ servers: [guarded.url], ...more, [option]: file });

      await expect(NatsLog.open(asked)).rejects.toThrow(
        new RegExp(`NATS ${option} ${file} cannot be read: ENOENT`),
      );
      for (const wrong of [settings({ servers: [guarded.url] }), asked]) {
        await writeFile(file, "wr0ng-word\n");
        const error = await NatsLog.open(wrong).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(InputError);
        expect(String(error)).toMatch(/refuses this client.*check credentials/);
        expect(`${error} ${(error as Error).stack}`).not.toContain("wr0ng-word");
      }
      await writeFile(file, "s3cret-word\n");
      const log = await opened(asked);
      await log.create(jobRecord("photos"));
      // Each connection reads the file anew.
      await guarded.kill();
      await guarded.restart();
      expect(await log.get("photos")).toEqual(jobRecord("photos"));
    },
  );

  it("needs JetStream", async () => {
    const plain = await startNatsServer([], { jetstream: false });
    onTestFinished(() => plain.close());
    const opening = NatsLog.open(settings({ servers: [plain.url] }));
    await expect(opening).rejects.toThrow(InputError);
    await expect(opening).rejects.toThrow(/has no JetStream/);
  });

  it("over TLS is refused where the broker offers none", async () => {
    const plain = await startNatsServer();
    onTestFinished(() => plain.close());
    const url = plain.url.replace("127.0.0.1", "localhost");
    for (const insisting of [{ servers: [url], tls: {} }, { servers: [url.replace("nats:", "tls:")] }]) {
      const opening = NatsLog.open(settings(insisting));
      await expect(opening).rejects.toThrow(InputError);
      await expect(opening).rejects.toThrow(/cannot be used over TLS/);
    }
  });

  it("over TLS checks the broker's certificate, and shows its own", async () => {
    const folder = await temporaryFolder();
    await makeDevelopmentCertificates(folder, ["localhost"], 1);
    const path = (name: string) => join(folder, name);
    const guarded = await startNatsServer([
      ...["--tlsverify", "--tlscacert", path("ca.pem")],
      ...["--tlscert", path("coordinator.pem"), "--tlskey", path("coordinator-key.pem")],
    ]);
    onTestFinished(() => guarded.close());
    const servers = [guarded.url.replace("127.0.0.1", "localhost")];
    const [ca, certificate, key] = ["ca.pem", "client.pem", "client-key.pem"].map(path);

    const log = await opened(settings({ servers, tls: { ca, certificate, key } }));
    await log.create(jobRecord("photos"));
    await guarded.kill();
    await guarded.restart();
    expect(await log.get("photos")).toEqual(jobRecord("photos"));

    const stranger = NatsLog.open(settings({ servers, tls: { certificate, key } }));
    await expect(stranger).rejects.toThrow(InputError);
    await expect(stranger).rejects.toThrow(/cannot be used over TLS as set \(unable to verify/);
    await expect(NatsLog.open(settings({ servers, tls: { ca } }))).rejects.toThrow(
      /may ask for a certificate/,
    );
    await expect(NatsLog.open(settings({ servers, tls: { ca: path("none.pem") } }))).rejects.toThrow(
      /NATS tls.ca .*none.pem cannot be read: ENOENT/,
    );
  });

  it("takes a credentials file", async () => {
    const { configuration, credentials } = await writeCredentials(await temporaryFolder());
    const guarded = await startNatsServer(["--config", configuration]);
    onTestFinished(() => guarded.close());
    const servers = [guarded.url];
    await expect(NatsLog.open(settings({ servers }))).rejects.toThrow(/refuses this client/);
    const log = await opened(settings({ servers, credentials }));
    await log.create(jobRecord("photos"));
    expect(await log.get("photos")).toEqual(jobRecord("photos"));

    const stranger = await writeCredentials(await temporaryFolder());
    const error = await NatsLog.open(settings({ servers, credentials: stranger.credentials })).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(InputError);
    const seed = /^SU.*$/m.exec(await readFile(stranger.credentials, "utf8"))?.[0] ?? "";
    expect(seed).toHaveLength(58);
    expect(`${error} ${(error as Error).stack}`).not.toContain(seed);
    await writeFile(stranger.credentials, "nothing of the kind");
    await expect(NatsLog.open(settings({ servers, credentials: stranger.credentials }))).rejects.toThrow(
      InputError,
    );
  });
});
