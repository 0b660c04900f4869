import { once } from "node:events";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { SilenceWatch } from "./silence-watch.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function watch() {
  const seen = { silences: 0 };
  return { seen, watched: new SilenceWatch(1000, () => seen.silences++) };
}

it("tells of silence once, when the time is over", () => {
  const { seen } = watch();
  vi.advanceTimersByTime(999);
  expect(seen.silences).toBe(0);
  vi.advanceTimersByTime(5000);
  expect(seen.silences).toBe(1);
});

it("begins anew whenever the peer is heard of, and ends with stop", () => {
  const { seen, watched } = watch();
  for (let i = 0; i < 10; i++) {
    vi.advanceTimersByTime(700);
    watched.heard();
  }
  expect(seen.silences).toBe(0);
  watched.stop();
  vi.advanceTimersByTime(5000);
  expect(seen.silences).toBe(0);
});

it("a stall of this process is no silence of the peer", async () => {
  vi.useRealTimers();
  const silent = new EventTarget();
  let silences = 0;
  const watched = new SilenceWatch(100, () => {
    silences++;
    silent.dispatchEvent(new Event("silence"));
  });
  const until = performance.now() + 400;
  while (performance.now() < until);
  // Timers run before anything that has arrived is read.
  await new Promise((resolve) => setImmediate(resolve));
  expect(silences).toBe(0);
  await once(silent, "silence");
  watched.stop();
});
