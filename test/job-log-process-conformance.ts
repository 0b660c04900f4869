/** What every job log has to do where processes are killed, and where several share it: a part of job-log-conformance.ts. */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { type LogPlace, LogProcess, openLog } from "./job-log-process.js";
import {
  collected,
  followed,
  indices,
  jobName as name,
  outcomesOf,
  patience,
  shortAck,
  shortHold,
  take,
} from "./job-log-reading.js";
import { deadLetter, itemOutcome, jobRecord, workItems } from "./job-samples.js";

/**
 * @param newPlace a place no log has used
 * @param shared whether several processes may use one place at once
 */
export function jobLogProcessConformance(newPlace: () => Promise<LogPlace>, shared: boolean): void {
  describe("a process that is killed", () => {
    it("leaves everything it was promised", async () => {
      const place = await newPlace();
      const process = await LogProcess.start(place);
      await process.create(jobRecord(name));
      await process.update(name, { listed: 4, cursor: "folder/3.png" });
      await process.publish(name, workItems(0, 4));
      const [first] = await process.take(name, 2, patience);
      await process.settle(first.handle);
      await process.record(name, itemOutcome(0));
      await process.bury(name, deadLetter(9, "a"));
      await process.bury(name, deadLetter(8, "b"));
      await process.exhume(name, [9]);
      await process.publish("purged", workItems(0, 3));
      await process.purge("purged");
      await process.kill();

      const log = await openLog(place);
      expect(await log.list()).toEqual([jobRecord(name, { listed: 4, cursor: "folder/3.png" })]);
      expect(await outcomesOf(log)).toEqual([itemOutcome(0)]);
      expect(await collected(log.deadLetters(name))).toEqual([deadLetter(8, "b")]);
      expect(await take(log, 9, 200, "purged")).toEqual([]);
      const { queued, taken } = await log.backlog(name);
      expect(queued + taken).toBe(3);
      const names = await Promise.all([log.create(jobRecord(name)), log.create(jobRecord("new"))]);
      expect(names.map(({ created }) => created)).toEqual([false, true]);
    });

    it("leaves its items to others, who see that they were given out before", async () => {
      const place = await newPlace();
      const process = await LogProcess.start(place, shortAck);
      await process.publish(name, workItems(0, 3));
      const taken = await process.take(name, 2, patience);
      await process.settle(taken[0].handle);
      await process.kill();

      const log = await openLog(place, shortAck);
      const found = new Map<number, number>();
      while (found.size < 2) {
        for (const { item, delivery, settle } of await take(log, 3)) {
          found.set(item.index, delivery);
          await settle();
        }
      }
      expect(Object.fromEntries(found)).toEqual({ 1: 2, 2: 1 });
      expect(await log.backlog(name)).toEqual({ queued: 0, taken: 0 });
    });

    it("in the midst of recording leaves whole outcomes, in order, none of those it was promised missing", async () => {
      const place = await newPlace();
      let next = 0;
      for (const milliseconds of [60, 150, 300]) {
        const process = await LogProcess.start(place);
        process.recordOn(name, next, itemOutcome(0));
        while (process.recorded.length === 0) await delay(5);
        await delay(milliseconds);
        await process.kill();
        const log = await openLog(place);
        const outcomes = await outcomesOf(log);
        expect(outcomes).toEqual(outcomes.map((_, index) => ({ ...itemOutcome(0), index })));
        expect(outcomes.length).toBeGreaterThan(process.recorded[process.recorded.length - 1]);
        next = outcomes.length;
        await log.close();
      }
      expect(next).toBeGreaterThan(3);
    });

    it("no longer holds what it held", async () => {
      const place = await newPlace();
      const process = await LogProcess.start(place, shortHold);
      expect(await process.hold(name)).toBe(true);
      await process.kill();
      const log = await openLog(place, shortHold);
      await expect.poll(() => log.hold(name), { timeout: patience }).toBeDefined();
    });
  });

  if (!shared) return;

  describe("several processes", () => {
    it("share the items, change a job in turn, and see each other's outcomes", async () => {
      const place = await newPlace();
      const log = await openLog(place);
      await log.create(jobRecord(name));
      const [a, b] = await Promise.all([LogProcess.start(place), LogProcess.start(place)]);
      await a.publish(name, workItems(0, 100));
      const found: number[] = [];
      const work = async (process: LogProcess) => {
        for (let round = 0; round < 5; round++) {
          const taken = await process.take(name, 10, patience);
          found.push(...indices(taken));
          for (const { item, handle } of taken) {
            await process.record(name, itemOutcome(item.index));
            await process.settle(handle);
            await process.increment(name);
          }
        }
      };
      const following = followed(
        (signal) => log.outcomes(name, { follow: true, signal }),
        ({ length }) => length === 100,
      );
      await Promise.all([work(a), work(b)]);
      expect(found.sort((x, y) => x - y)).toEqual(workItems(0, 100).map(({ index }) => index));
      expect((await following).map(({ index }) => index).sort((x, y) => x - y)).toEqual(found);
      expect((await log.get(name))?.listed).toBe(100);
      expect(await log.backlog(name)).toEqual({ queued: 0, taken: 0 });
    });

    it("hold a name one at a time; one that is stopped loses it and learns of it", async () => {
      const place = await newPlace();
      const log = await openLog(place, shortHold);
      const process = await LogProcess.start(place, shortHold);
      expect(await process.hold(name)).toBe(true);
      // Longer than a hold lasts that is not renewed.
      await delay(2 * shortHold.holdMilliseconds);
      expect(process.lost).toEqual([]);
      expect(await log.hold(name)).toBeUndefined();
      process.stop();
      await expect.poll(() => log.hold(name), { timeout: patience }).toBeDefined();
      process.goOn();
      await expect.poll(() => process.lost, { timeout: patience }).toEqual([name]);
      expect(await process.hold(name)).toBe(false);
    });
  });
}
