import { describe, expect, it } from "vitest";
import { RetryableError } from "../errors.js";
import { openLog } from "./log.js";

function capture() {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  return { log: openLog({ role: "coordinator", name: "c-1", level: "info" }, stream), lines };
}

describe("openLog", () => {
  it("writes one JSON object a line, with the ids of its children and the kind of an error", () => {
    const { log, lines } = capture();
    log
      .child({ job: "photos", picture: "a/b.png" })
      .warn({ round: 3, error: new RetryableError("lost") }, "slice lost");
    log.debug("not at this level");
    expect(lines).toHaveLength(1);
    const line = JSON.parse(lines[0]);
    expect(line).toMatchObject({
      level: "warn",
      role: "coordinator",
      name: "c-1",
      pid: process.pid,
      job: "photos",
      picture: "a/b.png",
      round: 3,
      error: { message: "lost", kind: "retryable" },
      msg: "slice lost",
    });
    expect(Date.parse(line.time)).toBeGreaterThan(Date.now() - 60_000);
  });

  it("never writes secrets, however deep in the settings they stand", () => {
    const { log, lines } = capture();
    log.info(
      { token: "t0ps3cret", settings: { nats: { password: "t0ps3cret" }, secretAccessKey: "t0ps3cret" } },
      "settings",
    );
    expect(lines[0]).not.toContain("t0ps3cret");
    expect(lines[0]).toContain("(secret)");
  });
});
