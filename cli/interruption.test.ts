import { EventEmitter } from "node:events";
import { expect, it } from "vitest";
import { withInterruption } from "./interruption.js";

it("asks to stop on the first signal, kills on the second, and stops listening afterwards", async () => {
  const source = new EventEmitter();
  const happened: string[] = [];
  const handling = { source, onFirst: () => happened.push("first"), kill: () => happened.push("kill") };
  const result = await withInterruption(handling, async (signal) => {
    expect(signal.aborted).toBe(false);
    source.emit("SIGINT");
    expect(signal.aborted).toBe(true);
    expect(happened).toEqual(["first"]);
    source.emit("SIGTERM");
    return "result";
  });
  expect(result).toBe("result");
  expect(happened).toEqual(["first", "kill"]);
  expect(source.listenerCount("SIGINT") + source.listenerCount("SIGTERM")).toBe(0);
});
