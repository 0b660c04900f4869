/** A coordinator whose broker is away. */
import { expect, it, onTestFinished, vi } from "vitest";
import { NatsLog } from "../coordinator/jobs/nats-log/nats-log.js";
import { natsSettingsSchema } from "../shared/config/nats-settings.js";
import { openJobFixture } from "./job-fixture.js";
import { startNatsServer } from "./nats-server.js";

const waiting = { timeout: 60_000, interval: 20 };

it("tells of it for each job that it has workers for, and goes on when the broker is back", async () => {
  const server = await startNatsServer();
  onTestFinished(() => server.close());
  const settings = natsSettingsSchema.parse({ servers: [server.url] });
  const coordinator = await openJobFixture({
    openLog: () => NatsLog.open(settings, { patienceMilliseconds: 500, ackMilliseconds: 2000 }),
  });
  onTestFinished(() => coordinator.close());
  const troubles = () =>
    coordinator.events.flatMap((event) =>
      event.event === "job-trouble" ? [`${event.job.spec.name}: ${event.message}`] : [],
    );
  await coordinator.inputs("0.png");
  let end = () => {};
  coordinator.onBegin = () =>
    new Promise<void>((resolve) => {
      end = resolve;
    });
  await coordinator.log.create(coordinator.record("a"));
  await vi.waitFor(async () => {
    expect((await coordinator.log.get("a"))?.listedAll).toBe(true);
    expect(coordinator.begun).toEqual(["a/0.png"]);
  }, waiting);
  expect(troubles()).toEqual([]);

  await server.kill();
  // A worker is free, and there are items to be asked for.
  await vi.waitFor(
    () => expect(troubles()).toContainEqual(expect.stringMatching(/^a: taking items of a: NATS at /)),
    waiting,
  );
  end();
  await vi.waitFor(
    () => expect(troubles()).toContainEqual(expect.stringMatching(/^a: publishing .*outcomes\.a: NATS at /)),
    waiting,
  );
  expect(new Set(troubles()).size).toBe(troubles().length);
  await server.restart();
  await vi.waitFor(async () => expect((await coordinator.log.get("a"))?.state).toBe("finished"), waiting);
});
