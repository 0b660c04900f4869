import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { natsSettingsSchema } from "../../../shared/config/nats-settings.js";
import { InputError } from "../../../shared/errors.js";
import { itemOutcome, jobRecord, workItems } from "../../../test/job-samples.js";
import { type NatsServer, startNatsServer } from "../../../test/nats-server.js";
import { Broker } from "./broker.js";
import { ItemStream } from "./item-stream.js";
import { JobRecords } from "./job-records.js";
import { KeyBucket } from "./key-bucket.js";
import { NatsLog } from "./nats-log.js";
import { removeJob } from "./remove-job.js";

let server: NatsServer;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server.close());

it("that is overtaken by another one, and by a new job of the name, takes nothing from that", async () => {
  const settings = natsSettingsSchema.parse({ servers: [server.url] });
  const { signal } = new AbortController();
  const log = await NatsLog.open(settings);
  onTestFinished(() => log.close());
  const broker = await Broker.connect(settings, 10_000);
  onTestFinished(() => broker.close());
  const where = {
    broker,
    records: new JobRecords(await KeyBucket.open(broker, "deqfleet-jobs", { replicas: 1 })),
    items: new ItemStream(broker, "deqfleet-items", "deqfleet.items", 30_000),
    subjects: [
      { stream: "deqfleet-items", filter: "deqfleet.items.photos" },
      { stream: "deqfleet-outcomes", filter: "deqfleet.outcomes.photos" },
    ],
  };
  const old = jobRecord("photos", { deleting: true, createdAt: "2026-01-01T00:00:00.000Z" });
  const again = jobRecord("photos", { createdAt: "2026-01-02T00:00:00.000Z" });
  await log.create(old);
  await log.publish("photos", workItems(0, 1));
  await log.record("photos", itemOutcome(0));

  // Held up before its first step that removes something.
  const { streams } = broker.jsm;
  const purge = streams.purge.bind(streams);
  let steps = 0;
  streams.purge = async (...args) => {
    if (steps++ === 0) {
      await log.remove(old, signal);
      await log.create(again);
      await log.publish("photos", workItems(0, 3));
      await log.record("photos", itemOutcome(2));
    }
    return purge(...args);
  };
  await expect(removeJob(where, old, signal)).rejects.toThrow(InputError);
  expect(steps).toBe(2);

  expect(await log.list()).toEqual([again]);
  expect(await log.backlog("photos")).toEqual({ queued: 3, taken: 0 });
  const outcomes = [];
  for await (const { index } of log.outcomes("photos", { follow: false, signal })) outcomes.push(index);
  expect(outcomes).toEqual([2]);
});
