/** What every job log has to do. Run against each of them: embedded-log.test.ts, nats-log.test.ts. */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { JobLog } from "../coordinator/jobs/job-log.js";
import { InputError, RetryableError } from "../shared/errors.js";
import type { JobRecord } from "../shared/jobs/job.js";
import { type LogPlace, openLog } from "./job-log-process.js";
import { jobLogProcessConformance } from "./job-log-process-conformance.js";
import {
  collected,
  followed,
  indices,
  jobName as name,
  outcomesOf,
  patience,
  shortAck,
  take,
  takeAll,
} from "./job-log-reading.js";
import { deadLetter, itemOutcome, jobRecord, workItem, workItems } from "./job-samples.js";

const { signal } = new AbortController();

/** @returns the job as it was last */
async function remove(log: JobLog, of: string): Promise<JobRecord> {
  const job = await log.update(of, (present) => ({ ...present, deleting: true }));
  await log.remove(job, signal);
  return job;
}

/**
 * @param newPlace a place no log has used
 * @param shared whether several processes may use one place at once
 */
export function jobLogConformance(newPlace: () => Promise<LogPlace>, shared: boolean): void {
  const newLog = async () => openLog(await newPlace());

  describe("jobs", () => {
    it("are made once and read back", async () => {
      const log = await newLog();
      const job = jobRecord(name, { cursor: "a/b ü.png", listed: 7 });
      expect(await log.get(name)).toBeUndefined();
      expect(await log.list()).toEqual([]);
      expect(await log.create(job)).toEqual({ created: true, job });
      expect(await log.create(jobRecord(name))).toEqual({ created: false, job });
      expect(await log.get(name)).toEqual(job);
      await log.create(jobRecord("other"));
      expect((await log.list()).map(({ spec }) => spec.name).sort()).toEqual(["other", name]);
    });

    it("are made once, whoever tries at the same time", async () => {
      const log = await newLog();
      const made = await Promise.all(
        [1, 2, 3, 4, 5].map((listed) => log.create(jobRecord(name, { listed }))),
      );
      expect(made.filter(({ created }) => created).length).toBe(1);
      const [{ listed }] = made.filter(({ created }) => created).map(({ job }) => job);
      expect(made.map(({ job }) => job.listed)).toEqual(Array(5).fill(listed));
    });

    it("change one change after the other", async () => {
      const log = await newLog();
      await log.create(jobRecord(name));
      const increment = () => log.update(name, (job) => ({ ...job, listed: job.listed + 1 }));
      await Promise.all(Array.from({ length: 20 }, increment));
      expect(await log.get(name)).toEqual(jobRecord(name, { listed: 20 }));
    });

    it("stay as they are where there is nothing to change", async () => {
      const log = await newLog();
      await log.create(jobRecord(name));
      expect(await log.update(name, () => undefined)).toEqual(jobRecord(name));
      await expect(log.update("nobody", (job) => job)).rejects.toThrow(InputError);
      await expect(log.update("nobody", (job) => job)).rejects.toThrow(/"nobody"/);
    });

    it("are watched: as they are, then as they change, in order", async () => {
      const log = await newLog();
      await log.create(jobRecord("first", { listed: 1 }));
      await log.create(jobRecord(name));
      const seen: JobRecord[] = [];
      const enough = () => seen.some(({ spec }) => spec.name === "last");
      const end = new AbortController();
      const watching = (async () => {
        for await (const job of log.watch(end.signal)) {
          seen.push(job);
          if (enough()) end.abort();
        }
      })();
      for (let listed = 1; listed <= 5; listed++) await log.update(name, (job) => ({ ...job, listed }));
      await log.create(jobRecord("last"));
      await watching;
      const listedOf = (of: string) => seen.filter(({ spec }) => spec.name === of).map((job) => job.listed);
      expect(listedOf("first")).toEqual([1]);
      const listed = listedOf(name);
      expect(listed.at(-1)).toBe(5);
      expect(listed).toEqual([...new Set(listed)].sort((a, b) => a - b));
    });

    it("are removed with all that is kept of them; another one of the name begins anew, at once", async () => {
      const place = await newPlace();
      const log = await openLog(place);
      const at = (createdAt: string) => jobRecord(name, { createdAt });
      await log.create(at("2026-01-01T00:00:00.000Z"));
      await log.create(jobRecord("other"));
      for (const of of [name, "other"]) {
        await log.publish(of, workItems(0, 3));
        const [first] = await take(log, 2, patience, of);
        await log.record(of, itemOutcome(0));
        await log.bury(of, deadLetter(7, "a"));
        await first.settle();
      }
      const removed = await remove(log, name);
      expect((await log.list()).map(({ spec }) => spec.name)).toEqual(["other"]);
      expect(await log.get(name)).toBeUndefined();
      await expect(log.update(name, (job) => job)).rejects.toThrow(InputError);
      await log.remove(removed, signal);
      await log.remove(jobRecord("nobody", { deleting: true }), signal);

      const again = at("2026-01-02T00:00:00.000Z");
      expect(await log.create(again)).toEqual({ created: true, job: again });
      expect(await outcomesOf(log)).toEqual([]);
      expect(await collected(log.deadLetters(name))).toEqual([]);
      expect(await log.backlog(name)).toEqual({ queued: 0, taken: 0 });
      await log.publish(name, workItems(0, 2));
      const taken = await takeAll(log);
      expect(taken.map(({ item, delivery }) => [item.index, delivery])).toEqual([
        [0, 1],
        [1, 1],
      ]);
      await log.record(name, itemOutcome(1));
      expect((await outcomesOf(log)).map(({ index }) => index)).toEqual([1]);

      expect(await outcomesOf(log, "other")).toEqual([itemOutcome(0)]);
      expect(await collected(log.deadLetters("other"))).toEqual([deadLetter(7, "a")]);
      expect(await log.backlog("other")).toEqual({ queued: 1, taken: 1 });
      await remove(log, "other");
      await log.close();
      const reopened = await openLog(place);
      expect(await reopened.list()).toEqual([again]);
      expect((await outcomesOf(reopened)).map(({ index }) => index)).toEqual([1]);
      expect(await outcomesOf(reopened, "other")).toEqual([]);
    });

    it("stay, with all that is kept of them, where the removal is of an earlier one, or not the caller's any more", async () => {
      const log = await newLog();
      await log.create(jobRecord(name, { createdAt: "2026-01-01T00:00:00.000Z" }));
      const removed = await remove(log, name);
      const again = jobRecord(name, { createdAt: "2026-01-02T00:00:00.000Z" });
      await log.create(again);
      await log.publish(name, workItems(0, 2));
      await log.record(name, itemOutcome(0));
      await log.bury(name, deadLetter(7, "a"));

      await expect(log.remove(removed, signal)).rejects.toThrow(InputError);
      await expect(log.remove(again, signal)).rejects.toThrow(InputError);
      const lost = AbortSignal.abort(new RetryableError("another has it"));
      const deleting = await log.update(name, (job) => ({ ...job, deleting: true }));
      await expect(log.remove(deleting, lost)).rejects.toThrow("another has it");

      expect(await log.list()).toEqual([deleting]);
      expect(await log.backlog(name)).toEqual({ queued: 2, taken: 0 });
      expect(await outcomesOf(log)).toEqual([itemOutcome(0)]);
      expect(await collected(log.deadLetters(name))).toEqual([deadLetter(7, "a")]);
    });

    it("need not be there to be watched, nor change for the watch to end", async () => {
      const log = await newLog();
      const end = new AbortController();
      const watching = collected(log.watch(end.signal));
      await delay(50);
      end.abort();
      expect(await watching).toEqual([]);
      expect(await collected(log.watch(AbortSignal.abort()))).toEqual([]);
    });
  });

  describe("items", () => {
    it("are taken in order, at most as many as asked for", async () => {
      const log = await newLog();
      await log.publish(name, workItems(0, 5));
      const first = await take(log, 3);
      expect(first.map(({ item }) => item)).toEqual(workItems(0, 3));
      expect(first.map(({ delivery }) => delivery)).toEqual([1, 1, 1]);
      expect(await log.backlog(name)).toEqual({ queued: 2, taken: 3 });
      expect(indices(await take(log, 3))).toEqual([3, 4]);
      expect(await log.backlog(name)).toEqual({ queued: 0, taken: 5 });
    });

    it("are waited for, until the first comes", async () => {
      const log = await newLog();
      const taking = take(log, 3);
      await delay(100);
      await log.publish(name, [workItem(0)]);
      expect(indices(await taking)).toEqual([0]);
    });

    it("are waited for no longer than asked for, nor beyond the signal", async () => {
      const log = await newLog();
      await log.publish("other", [workItem(0)]);
      expect(await take(log, 1, 50)).toEqual([]);
      const end = new AbortController();
      const taking = log.take(name, 1, { waitMilliseconds: 100 * patience, signal: end.signal });
      await delay(50);
      end.abort();
      expect(await taking).toEqual([]);
      // What nobody waits for any more goes to the next who asks.
      await log.publish(name, [workItem(0)]);
      expect(indices(await take(log, 1))).toEqual([0]);
    });

    it("are gone once settled", async () => {
      const log = await newLog();
      await log.publish(name, workItems(0, 4));
      for (const taken of await take(log, 2)) await taken.settle();
      expect(await log.backlog(name)).toEqual({ queued: 2, taken: 0 });
      const rest = await takeAll(log);
      expect(indices(rest)).toEqual([2, 3]);
      await Promise.all(rest.map((taken) => taken.settle()));
      expect(await log.backlog(name)).toEqual({ queued: 0, taken: 0 });
      expect(await take(log, 1, 200)).toEqual([]);
    });

    it("come again when given back, not before their time", async () => {
      const log = await newLog();
      await log.publish(name, workItems(0, 2));
      const [first, second] = await take(log, 2);
      await first.giveBack(1000);
      await second.giveBack(0);
      const again = await take(log, 2);
      expect(indices(again)).toEqual([1]);
      expect(again[0].delivery).toBe(2);
      expect(await take(log, 1, 200)).toEqual([]);
      const { queued, taken } = await log.backlog(name);
      expect(queued + taken).toBe(2);
      const [late] = await take(log, 1);
      expect([late.item.index, late.delivery]).toEqual([0, 2]);
    });

    it("come again without word from their taker, and only then", async () => {
      const log = await openLog(await newPlace(), shortAck);
      await log.publish(name, workItems(0, 2));
      const [silent, working] = await take(log, 2);
      const alive = setInterval(() => working.working(), 100);
      const again = await take(log, 2);
      expect(again.map(({ item, delivery }) => [item.index, delivery])).toEqual([[silent.item.index, 2]]);
      await again[0].settle();
      expect(await take(log, 1, 2 * shortAck.ackMilliseconds)).toEqual([]);
      clearInterval(alive);
      await working.settle();
      expect(await log.backlog(name)).toEqual({ queued: 0, taken: 0 });
    });

    it("may be settled by a taker that was given up", async () => {
      const log = await openLog(await newPlace(), shortAck);
      await log.publish(name, [workItem(0)]);
      const [late] = await take(log, 1);
      const [second] = await take(log, 1);
      expect(second.delivery).toBe(2);
      await late.settle();
      await second.settle();
      expect(await take(log, 1, 2 * shortAck.ackMilliseconds)).toEqual([]);
      expect(await log.backlog(name)).toEqual({ queued: 0, taken: 0 });
    });

    it("that nobody has taken are purged, those that are taken are not", async () => {
      const log = await newLog();
      await log.publish(name, workItems(0, 2500));
      const [settled, back, held] = await take(log, 3);
      await settled.settle();
      await log.purge(name);
      expect(await log.backlog(name)).toEqual({ queued: 0, taken: 2 });
      expect(await take(log, 10, 200)).toEqual([]);
      await back.giveBack(0);
      const again = await take(log, 10);
      expect(indices(again)).toEqual([back.item.index]);
      await again[0].settle();
      await held.settle();
      await log.publish(name, [workItem(9000)]);
      expect(indices(await takeAll(log))).toEqual([9000]);
    });

    it("of one job are not those of another", async () => {
      const log = await newLog();
      await log.publish(name, workItems(0, 2));
      await log.publish("other", workItems(10, 12));
      await log.purge(name);
      expect(await take(log, 5, 200)).toEqual([]);
      expect(indices(await takeAll(log, "other"))).toEqual([10, 11]);
    });

    it("are given to one taker each, however many take", async () => {
      const log = await newLog();
      const count = 3000;
      const all = new Set<number>();
      const taker = async () => {
        while (all.size < count) {
          const taken = await take(log, 50, 500);
          for (const { item } of taken) {
            expect(all.has(item.index)).toBe(false);
            all.add(item.index);
          }
          await Promise.all(taken.map((item) => item.settle()));
        }
      };
      const taking = [taker(), taker(), taker()];
      for (let from = 0; from < count; from += 1000) await log.publish(name, workItems(from, from + 1000));
      await Promise.all(taking);
      expect(all.size).toBe(count);
      expect(await log.backlog(name)).toEqual({ queued: 0, taken: 0 });
    });
  });

  describe("outcomes", () => {
    it("are what was recorded, in that order", async () => {
      const log = await newLog();
      expect(await outcomesOf(log)).toEqual([]);
      const outcomes = [
        itemOutcome(3, { key: "ü/№ 1 \u2028\n.png", psnr: 1 / 3, errors: ['said "no"', "1\n2"] }),
        itemOutcome(1, { status: "failed", output: null, sha256: null, errors: ["unreadable"] }),
        itemOutcome(3, { generation: 1 }),
        // The same once more is kept, too: readers apply the rule of the first.
        itemOutcome(3, { generation: 1 }),
      ];
      for (const outcome of outcomes) await log.record(name, outcome);
      await log.record("other", itemOutcome(0));
      expect(await outcomesOf(log)).toEqual(outcomes);
      expect(await outcomesOf(log, "other")).toEqual([itemOutcome(0)]);
    });

    it("are followed by any number of readers, each from the first on", async () => {
      const log = await newLog();
      const outcomes = Array.from({ length: 200 }, (_, i) => itemOutcome(i));
      const follow = () =>
        followed(
          (signal) => log.outcomes(name, { follow: true, signal }),
          ({ length }) => length === outcomes.length,
        );
      const early = follow();
      for (const outcome of outcomes.slice(0, 150)) await log.record(name, outcome);
      const late = follow();
      for (const outcome of outcomes.slice(150)) await log.record(name, outcome);
      expect(await early).toEqual(outcomes);
      expect(await late).toEqual(outcomes);
    });

    it("need not come for following them to end", async () => {
      const log = await newLog();
      const end = new AbortController();
      const following = collected(log.outcomes(name, { follow: true, signal: end.signal }));
      await delay(50);
      end.abort();
      expect(await following).toEqual([]);
    });

    it("end where the reader stops", async () => {
      const log = await newLog();
      for (let i = 0; i < 10; i++) await log.record(name, itemOutcome(i));
      for await (const { index } of log.outcomes(name, { follow: true, signal })) if (index === 4) break;
      expect((await outcomesOf(log)).length).toBe(10);
    });
  });

  describe("dead letters", () => {
    it("are one an item, the last that was buried, until they are exhumed", async () => {
      const log = await newLog();
      expect(await collected(log.deadLetters(name))).toEqual([]);
      await log.bury(name, deadLetter(7, "first"));
      await log.bury(name, deadLetter(2, "out of memory", "engine died: ü"));
      await log.bury(name, deadLetter(7, "first", "second"));
      await log.bury("other", deadLetter(7));
      const letters = [deadLetter(2, "out of memory", "engine died: ü"), deadLetter(7, "first", "second")];
      expect(await collected(log.deadLetters(name))).toEqual(letters);
      await log.exhume(name, [7, 99]);
      expect(await collected(log.deadLetters(name))).toEqual(letters.slice(0, 1));
      await log.exhume(name, [2]);
      expect(await collected(log.deadLetters(name))).toEqual([]);
      await log.bury(name, deadLetter(2, "again"));
      expect(await collected(log.deadLetters(name))).toEqual([deadLetter(2, "again")]);
      expect(await collected(log.deadLetters("other"))).toEqual([deadLetter(7)]);
    });
  });

  describe("holds", () => {
    it("are one a name, until released", async () => {
      const log = await newLog();
      const held = await log.hold(name);
      expect(held?.lost.aborted).toBe(false);
      expect(await log.hold(name)).toBeUndefined();
      const other = await log.hold("other");
      expect(other).toBeDefined();
      await held?.release();
      await held?.release();
      expect(await log.hold(name)).toBeDefined();
      expect(await log.hold("other")).toBeUndefined();
    });
  });

  jobLogProcessConformance(newPlace, shared);
}
