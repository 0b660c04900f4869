/** The NATS log while its broker is killed, stopped and away. */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import type { JobLog } from "../coordinator/jobs/job-log.js";
import { NatsLog, type NatsLogOptions } from "../coordinator/jobs/nats-log/nats-log.js";
import { natsSettingsSchema } from "../shared/config/nats-settings.js";
import { RetryableError } from "../shared/errors.js";
import type { ItemOutcome } from "../shared/jobs/work-item.js";
import { deadLetter, itemOutcome, jobRecord, workItem, workItems } from "./job-samples.js";
import { type NatsServer, startNatsCluster, startNatsServer } from "./nats-server.js";

const name = "photos";
const { signal } = new AbortController();

async function newServer(): Promise<NatsServer> {
  const server = await startNatsServer();
  onTestFinished(() => server.close());
  return server;
}

async function newLog(server: NatsServer, options: NatsLogOptions = {}): Promise<JobLog> {
  const log = await NatsLog.open(natsSettingsSchema.parse({ servers: [server.url] }), options);
  onTestFinished(() => log.close());
  return log;
}

async function outcomesOf(log: JobLog): Promise<ItemOutcome[]> {
  const outcomes: ItemOutcome[] = [];
  for await (const outcome of log.outcomes(name, { follow: false, signal })) outcomes.push(outcome);
  return outcomes;
}

describe("a broker that is killed and started again on its files", () => {
  it("loses nothing of what was promised, and repeats nothing to those who follow", async () => {
    const server = await newServer();
    const log = await newLog(server, { patienceMilliseconds: 30_000, ackMilliseconds: 3000 });
    await log.create(jobRecord(name));
    const count = 3000;
    const end = new AbortController();

    const followed: ItemOutcome[] = [];
    const following = (async () => {
      for await (const outcome of log.outcomes(name, { follow: true, signal: end.signal })) {
        followed.push(outcome);
      }
    })();
    const watched: number[] = [];
    const watching = (async () => {
      for await (const { listed } of log.watch(end.signal)) watched.push(listed);
    })();

    const settled = new Set<number>();
    const recorded: number[] = [];
    const worker = async () => {
      while (settled.size < count) {
        for (const taken of await log.take(name, 20, { waitMilliseconds: 1000, signal })) {
          const { index } = taken.item;
          await log.record(name, itemOutcome(index));
          recorded.push(index);
          await taken.settle();
          settled.add(index);
        }
      }
    };
    let published = 0;
    const publishing = (async () => {
      for (; published < count; published += 100) {
        await log.publish(name, workItems(published, published + 100));
        await log.update(name, (job) => ({ ...job, listed: job.listed + 100 }));
        await delay(20);
      }
    })();
    const working = Promise.all(Array.from({ length: 8 }, worker));
    for (const reached of [200, 900, 1600]) {
      await expect.poll(() => settled.size, { timeout: 60_000, interval: 5 }).toBeGreaterThan(reached);
      await server.kill();
      await delay(300);
      await server.restart();
    }
    await Promise.all([publishing, working]);

    expect([...settled].sort((a, b) => a - b)).toEqual(workItems(0, count).map(({ index }) => index));
    // Changes whose answer was lost were not made twice.
    expect((await log.get(name))?.listed).toBe(count);
    const outcomes = await outcomesOf(log);
    expect(outcomes.map(({ index }) => index).sort((a, b) => a - b)).toEqual(recorded.sort((a, b) => a - b));
    await expect.poll(() => followed.length, { timeout: 20_000 }).toBe(outcomes.length);
    expect(followed).toEqual(outcomes);
    await expect.poll(() => watched.at(-1), { timeout: 20_000 }).toBe(count);
    expect(watched).toEqual([...new Set(watched)].sort((a, b) => a - b));
    await expect.poll(() => log.backlog(name), { timeout: 20_000 }).toEqual({ queued: 0, taken: 0 });
    end.abort();
    await Promise.all([following, watching]);
  });

  it("still has records, items, outcomes and letters", async () => {
    const server = await newServer();
    const log = await newLog(server, { patienceMilliseconds: 30_000, ackMilliseconds: 1000 });
    await log.create(jobRecord(name));
    await log.publish(name, workItems(0, 3));
    const [first] = await log.take(name, 2, { waitMilliseconds: 5000, signal });
    await first.settle();
    await log.record(name, itemOutcome(0));
    await log.bury(name, deadLetter(9, "error"));
    await server.kill();
    await server.restart();
    expect(await log.get(name)).toEqual(jobRecord(name));
    expect(await outcomesOf(log)).toEqual([itemOutcome(0)]);
    for await (const letter of log.deadLetters(name)) expect(letter).toEqual(deadLetter(9, "error"));
    const found = new Map<number, number>();
    while (found.size < 2) {
      for (const { item, delivery, settle } of await log.take(name, 3, { waitMilliseconds: 5000, signal })) {
        found.set(item.index, delivery);
        await settle();
      }
    }
    expect(Object.fromEntries(found)).toEqual({ 1: 2, 2: 1 });
  });
});

describe("a broker that is away", () => {
  it("is waited for a bounded time; then each method says that it may be tried again", async () => {
    const server = await newServer();
    const patienceMilliseconds = 500;
    const log = await newLog(server, { patienceMilliseconds });
    await log.create(jobRecord(name));
    await log.publish(name, workItems(0, 1));
    const [taken] = await log.take(name, 1, { waitMilliseconds: 5000, signal });
    await server.kill();
    const methods: Record<string, () => Promise<unknown>> = {
      create: () => log.create(jobRecord("other")),
      get: () => log.get(name),
      list: () => log.list(),
      update: () => log.update(name, (job) => ({ ...job, listed: 1 })),
      publish: () => log.publish(name, workItems(1, 500)),
      take: () => log.take(name, 1, { waitMilliseconds: 60_000, signal }),
      backlog: () => log.backlog(name),
      purge: () => log.purge(name),
      record: () => log.record(name, itemOutcome(0)),
      outcomes: () => outcomesOf(log),
      bury: () => log.bury(name, deadLetter(0)),
      exhume: () => log.exhume(name, [0]),
      hold: () => log.hold(name),
      settle: () => taken.settle(),
      giveBack: () => taken.giveBack(0),
    };
    const from = performance.now();
    for (const [method, call] of Object.entries(methods)) {
      const error = await call().catch((thrown: unknown) => thrown);
      expect(error, method).toBeInstanceOf(RetryableError);
      expect(String(error), method).toContain(`NATS at ${server.url}`);
    }
    // A request that was under way when the broker went is waited for once.
    expect(performance.now() - from).toBeLessThan(15 * patienceMilliseconds + 10_000);
    taken.working();
    await server.restart();
    await expect
      .poll(() => log.get(name).catch(() => undefined), { timeout: 20_000 })
      .toEqual(jobRecord(name));
    await taken.settle();
    await log.publish(name, [workItem(7)]);
    await log.record(name, itemOutcome(7));
    expect((await outcomesOf(log)).map(({ index }) => index)).toEqual([7]);
  });

  it("delays what is asked of it meanwhile", async () => {
    const server = await newServer();
    const log = await newLog(server, { patienceMilliseconds: 30_000 });
    const taking = log.take(name, 5, { waitMilliseconds: 60_000, signal });
    await delay(200);
    await server.kill();
    const doing = Promise.all([
      log.create(jobRecord(name)),
      log.publish(name, workItems(0, 3)),
      log.record(name, itemOutcome(0)),
    ]);
    await delay(2500);
    await server.restart();
    await doing;
    expect((await taking).length).toBeGreaterThan(0);
    expect(await outcomesOf(log)).toEqual([itemOutcome(0)]);
    const { queued, taken } = await log.backlog(name);
    expect(queued + taken).toBe(3);
  });

  it("delays what is asked of it while it is stopped, and nothing is done twice", async () => {
    const server = await newServer();
    const log = await newLog(server, { patienceMilliseconds: 60_000 });
    await log.create(jobRecord(name));
    server.stop();
    const doing = Promise.all([
      ...Array.from({ length: 5 }, (_, i) => log.record(name, itemOutcome(i))),
      log.publish(name, workItems(0, 5)),
      log.update(name, (job) => ({ ...job, listed: job.listed + 1 })),
      log.update(name, (job) => ({ ...job, listed: job.listed + 1 })),
    ]);
    await delay(5000);
    server.goOn();
    await doing;
    expect((await outcomesOf(log)).map(({ index }) => index).sort()).toEqual([0, 1, 2, 3, 4]);
    expect(await log.backlog(name)).toEqual({ queued: 5, taken: 0 });
    expect((await log.get(name))?.listed).toBe(2);
  });

  it("costs a hold when it stays away, and not when it comes back soon", async () => {
    const server = await newServer();
    const log = await newLog(server, { holdMilliseconds: 5000 });
    const held = await log.hold(name);
    await server.kill();
    await server.restart();
    await delay(6000);
    expect(held?.lost.aborted).toBe(false);
    expect(await log.hold(name)).toBeUndefined();
    await server.kill();
    await expect.poll(() => held?.lost.aborted, { timeout: 6000 }).toBe(true);
  });

  it("lets a log be closed", async () => {
    const server = await newServer();
    const log = await newLog(server, { patienceMilliseconds: 60_000 });
    await log.hold(name);
    const end = new AbortController();
    const following = (async () => {
      for await (const _ of log.outcomes(name, { follow: true, signal: end.signal }));
    })();
    const taking = log.take(name, 1, { waitMilliseconds: 60_000, signal }).catch((error: unknown) => error);
    await delay(200);
    await server.kill();
    await delay(200);
    await log.close();
    await following;
    const taken = await taking;
    if (!Array.isArray(taken)) expect(taken).toBeInstanceOf(RetryableError);
  });
});

describe("a broker of three servers", () => {
  it("loses nothing with one of them", async () => {
    const servers = await startNatsCluster(3);
    onTestFinished(async () => {
      await Promise.all(servers.map((server) => server.close()));
    });
    const settings = natsSettingsSchema.parse({ servers: servers.map(({ url }) => url), replicas: 3 });
    // The servers elect who of them decides before they make a stream.
    const log = await NatsLog.open(settings, { patienceMilliseconds: 60_000, ackMilliseconds: 3000 });
    onTestFinished(() => log.close());
    await log.create(jobRecord(name));
    const count = 400;
    const settled = new Set<number>();
    const recorded: number[] = [];
    const worker = async () => {
      while (settled.size < count) {
        for (const taken of await log.take(name, 10, { waitMilliseconds: 1000, signal })) {
          await log.record(name, itemOutcome(taken.item.index));
          recorded.push(taken.item.index);
          await taken.settle();
          settled.add(taken.item.index);
        }
      }
    };
    const working = Promise.all(Array.from({ length: 4 }, worker));
    for (const [i, server] of servers.slice(1).entries()) {
      await log.publish(name, workItems(200 * i, 200 * i + 100));
      await server.kill();
      await log.publish(name, workItems(200 * i + 100, 200 * i + 200));
      await log.update(name, (job) => ({ ...job, listed: job.listed + 200 }));
      await server.restart();
    }
    await working;
    expect([...settled].sort((a, b) => a - b)).toEqual(workItems(0, count).map(({ index }) => index));
    expect((await log.get(name))?.listed).toBe(count);
    const outcomes = (await outcomesOf(log)).map(({ index }) => index).sort((a, b) => a - b);
    expect(outcomes).toEqual(recorded.sort((a, b) => a - b));
  });
});
