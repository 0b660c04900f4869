import { describe, expect, it } from "vitest";
import type { ReportItem } from "../coordinator/restore/report.js";
import type { OutputStream } from "./console.js";
import { clockTime, Progress } from "./progress.js";

const item: ReportItem = {
  input: "/in/a.png",
  output: "/out/a.png",
  status: "done",
  plan: "time-parallel",
  method: "secant",
  steps: 25,
  rounds: 7,
  evaluations: 171,
  residuals: [],
  converged: true,
  consistency: 0,
  psnr: 27.123,
  ssim: 0.9,
  seconds: { total: 12.34, model: 10, wire: 1, other: 1.34 },
};

/** A progress display whose clock the test sets, and what it has written. */
function display(stream: Partial<OutputStream> = {}) {
  let text = "";
  let time = 1000;
  const stdout = { ...stream, write: (more: string) => (text += more) };
  const progress = new Progress({ stdout, stderr: stdout }, () => time);
  return {
    progress,
    pass: (seconds: number) => {
      time += seconds;
    },
    take: () => {
      const taken = text;
      text = "";
      return taken;
    },
  };
}

const started = {
  event: "run-started",
  pictures: 4,
  skipped: 1,
  plan: "time-parallel",
  reason: "because",
  workers: [],
} as const;

const round = (number: number) =>
  ({ event: "round", picture: "a.png", round: number, largestRatio: 2.5, final: 9, steps: 25 }) as const;

describe("Progress", () => {
  it("prints plain lines: one a picture, and one every few seconds", () => {
    const { progress, pass, take } = display();
    progress.show({ event: "picture-skipped", picture: "z.png", item });
    progress.show(started);
    expect(take()).toBe("4 pictures, 1 restored before\nplan: because\n");
    progress.show({ event: "picture-started", picture: "a.png", attempt: 1 });
    progress.show(round(1));
    expect(take()).toBe("");
    pass(6);
    progress.show(round(2));
    progress.show(round(3));
    expect(take()).toBe("1/4 pictures | a.png: round 2, residual 2.50 x tolerance, 9/25 states final\n");
    pass(4);
    progress.show({ event: "picture-done", picture: "a.png", item });
    expect(take()).toBe("[2/4] a.png: 7 rounds, 12.3 s, PSNR 27.12 dB\n");
    pass(20);
    progress.show({ event: "picture-started", picture: "b.png", attempt: 2 });
    expect(take()).toBe("2/4 pictures, 2.0/min, 1:00 left | b.png: attempt 2\n");
    progress.show({
      event: "run-finished",
      status: "finished",
      counts: { done: 2, skipped: 1, failed: 1, cancelled: 0 },
      seconds: 61,
      report: "/out/report.json",
    });
    expect(take()).toBe("finished in 1:01: 2 restored, 1 skipped, 1 failed; report in /out/report.json\n");
  });

  it("redraws one line on a terminal, cut to its width, and gives way to other output", () => {
    const { progress, pass, take } = display({ isTTY: true, columns: 20 });
    progress.show(started);
    take();
    progress.show({ event: "picture-started", picture: "a.png", attempt: 1 });
    expect(take()).toBe("\r\u001b[2K0/4 pictures | a.png".slice(0, 5 + 19));
    progress.show(round(1));
    expect(take()).toBe("");
    pass(0.2);
    progress.show(round(2));
    expect(take()).toContain("0/4 pictures");
    progress.show({ event: "picture-failed", picture: "a.png", item: { ...item, status: "failed" } });
    expect(take()).toBe("\r\u001b[2K[1/4] a.png: failed\n\r\u001b[2K1/4 pictures");
    progress.clear();
    expect(take()).toBe("\r\u001b[2K");
    progress.clear();
    expect(take()).toBe("");
  });
});

it("clockTime leaves out hours that are not there", () => {
  expect([0, 59.6, 75, 3675].map(clockTime)).toEqual(["0:00", "1:00", "1:15", "1:01:15"]);
});
