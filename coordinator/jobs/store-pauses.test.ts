import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { StoreUnavailableError } from "../../shared/storage/object-store.js";
import { type JobFixture, openJobFixture } from "../../test/job-fixture.js";

let fixture: JobFixture;
afterEach(() => fixture.close());

const waiting = { timeout: 20_000, interval: 10 };

describe("a job that pauses for its stores", () => {
  it("takes nothing more, however often it goes on, while what it has in hand waits for workers", async () => {
    fixture = await openJobFixture({ seats: 2, members: 1 });
    await fixture.inputs(...Array.from({ length: 40 }, (_, i) => `${i}.png`));
    fixture.onBegin = () => {
      if (fixture.pauses().length <= 2) throw new StoreUnavailableError("the store is away");
      return new Promise(() => {});
    };
    await fixture.log.create(fixture.record("a"));
    const inHand: number[] = [];
    for (const pauses of [1, 2]) {
      await vi.waitFor(() => expect(fixture.pauses()).toHaveLength(pauses), waiting);
      await delay(50);
      inHand.push(fixture.engine.running("a").length);
      // While it waits for a worker it has none.
      expect(fixture.engine.running("a").every(({ worker }) => worker === null)).toBe(true);
    }
    // Two at work and one that waits, and one more for each seat that was free before it was known that its item waits again.
    expect(Math.max(...inHand)).toBeLessThanOrEqual(5);
  });
});
