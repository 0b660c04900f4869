import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import type { SliceHost } from "../../shared/chain/slice-host.js";
import { FatalError, InputError, RetryableError } from "../../shared/errors.js";
import { decodePicture } from "../../shared/pictures/decode.js";
import { inProcessFleet, priorPath } from "../../test/in-process-fleet.js";
import { restore } from "../../test/restore-runs.js";
import { smallPicture, temporaryFolder } from "../../test/small-pictures.js";
import { reportSchema } from "./report.js";
import type { RestoreEvent } from "./restore-event.js";

const small = { width: 32, height: 32 } as const;

/** A folder with pictures of the given names, and an output folder that does not exist yet. */
async function dataset(...names: string[]): Promise<{ folder: string; out: string }> {
  const base = await temporaryFolder();
  const folder = join(base, "in");
  await mkdir(folder);
  for (const name of names) await smallPicture(join(folder, name), small);
  return { folder, out: join(base, "out") };
}

const neverStarted = (): Promise<never> => {
  throw new Error("no worker may be started");
};

/** A host that loses the first `count` slices of one picture while they are opened. */
const losing =
  (count: number, picture: string) =>
  (host: SliceHost): SliceHost => {
    let left = count;
    return {
      width: host.width,
      open: (...args) =>
        args[0].chain.pictureId === picture && left-- > 0
          ? Promise.reject(new RetryableError("the worker died"))
          : host.open(...args),
    };
  };

describe("a simulated run", () => {
  it("restores a dataset around a picture that cannot be read", async () => {
    const { folder, out } = await dataset("a.png", "deep/er/b.jpg");
    await writeFile(join(folder, "broken.png"), "no picture");
    const report = await restore({
      inputs: [folder],
      out,
      task: "sr-average",
      simulate: true,
      contactSheet: true,
    });

    expect(report.run).toMatchObject({
      status: "finished",
      counts: { done: 2, failed: 1, skipped: 0, cancelled: 0 },
      settings: { workers: 2, task: { task: "sr-average", scale: 4 } },
      plan: { requested: "auto", chosen: "serial" },
    });
    const [a, broken, b] = report.items;
    expect(a).toMatchObject({
      input: join(folder, "a.png"),
      output: join(out, "a.png"),
      status: "done",
      plan: "serial",
      method: "secant",
      steps: 3,
      rounds: 3,
      evaluations: 3,
      converged: true,
      attempts: 1,
    });
    expect(a!.psnr).toBeGreaterThan(15);
    expect(a!.ssim).toBeGreaterThan(0.2);
    // Float32 steps and a picture in which the measurement is enforced to the last bit of them.
    expect(a!.consistency).toBeLessThan(1e-4);
    expect(a!.seconds.total).toBeGreaterThan(a!.seconds.model ?? Number.POSITIVE_INFINITY);
    expect(b!.output).toBe(join(out, "deep/er/b.jpg"));
    expect(broken).toMatchObject({ status: "failed", rounds: null, psnr: null });
    expect(broken!.error).toContain(join(folder, "broken.png"));

    expect((await decodePicture(a!.output)).shape).toEqual({ channels: 3, ...small });
    const measured = await decodePicture(join(out, "measurements/deep/er/b.png"));
    expect(measured).toMatchObject({ shape: { channels: 3, height: 8, width: 8 }, bitDepth: 16 });
    expect(JSON.parse(await readFile(join(out, "report.json"), "utf8"))).toEqual(report);
    expect(reportSchema.parse(report)).toEqual(report);
    expect((await sharp(join(out, "contact-sheet.png")).metadata()).width).toBeGreaterThan(600);
  });

  it("skips what is done, unless what it was made from changed", async () => {
    const { folder, out } = await dataset("a.png", "b.png");
    const run = { inputs: [folder], out, task: "colorize", simulate: true } as const;
    const first = await restore(run);
    const second = await restore({ ...run, startFleet: neverStarted });
    expect(second.run).toMatchObject({ counts: { done: 0, skipped: 2 }, plan: { chosen: null } });
    expect(second.items).toEqual(first.items.map((item) => ({ ...item, status: "skipped" })));

    await smallPicture(join(folder, "b.png"), { photo: "coffee", ...small });
    expect((await restore(run)).run.counts).toMatchObject({ done: 1, skipped: 1 });
    expect((await restore({ ...run, seed: 1 })).run.counts).toMatchObject({ done: 2, skipped: 0 });
    await writeFile(join(out, "a.png"), "damaged");
    expect((await restore({ ...run, seed: 1 })).items.map(({ status }) => status)).toEqual([
      "done",
      "skipped",
    ]);
    // How the work is spread is no reason to do it again.
    const other = { workers: 1, plan: "time-parallel", startFleet: neverStarted } as const;
    expect((await restore({ ...run, seed: 1, ...other })).run.counts).toMatchObject({ skipped: 2 });
  });

  it("gives the same picture with either plan, and says what the rounds did", async () => {
    const { folder, out } = await dataset("a.png");
    const run = { inputs: [folder], task: "sr-average", simulate: true, steps: 5 } as const;
    await restore({ ...run, out: join(out, "serial"), plan: "serial" });
    const events: RestoreEvent[] = [];
    const cut = await restore({
      ...run,
      out: join(out, "cut"),
      plan: "time-parallel",
      tol: 1e-4,
      onEvent: (event) => events.push(event),
    });
    const [item] = cut.items;
    expect(item).toMatchObject({ plan: "time-parallel", converged: true, losses: 0 });
    expect(item!.residuals).toHaveLength(item!.rounds!);
    const rounds = events.flatMap((event) => (event.event === "round" ? [event] : []));
    expect(rounds.map(({ largestRatio }) => largestRatio)).toEqual(item!.residuals);
    const [serial, parallel] = await Promise.all(
      ["serial", "cut"].map((name) => decodePicture(join(out, name, "a.png"))),
    );
    const worst = serial!.values.reduce(
      (most, v, i) => Math.max(most, Math.abs(v - parallel!.values[i]!)),
      0,
    );
    expect(worst * 127.5).toBeLessThanOrEqual(1.01);
  });

  it.each([
    ["sr-bicubic", { scale: 2 }],
    ["deblur-gauss", {}],
  ] as const)(
    "saves what %s measured so that it can be restored without the original",
    async (task, parameters) => {
      const { folder, out } = await dataset("a.png");
      const run = { task, ...parameters, workers: 1 };
      const simulated = await restore({ ...run, inputs: [folder], out, simulate: true });
      const measured = { inputs: [join(out, "measurements/a.png")], out: join(out, "again") };
      const again = await restore({ ...run, ...measured });
      expect(again.items[0]).toMatchObject({ status: "done", output: join(out, "again/a.png"), psnr: null });
      const [one, two] = [simulated, again].map(({ items: [item] }) => decodePicture(item!.output));
      const [x, y] = [(await one!).values, (await two!).values];
      const error = Math.sqrt(x.reduce((sum, v, i) => sum + (v - y[i]!) ** 2, 0) / x.length);
      // The noise has the same address (the name), the measurement differs by 16-bit rounding.
      expect(error).toBeLessThan(0.02);
    },
  );

  it("refuses sizes the operator does not permit, one picture at a time", async () => {
    const { folder, out } = await dataset("a.png");
    await smallPicture(join(folder, "odd.png"), { width: 33, height: 32 });
    const report = await restore({ inputs: [folder], out, task: "sr-average", simulate: true });
    expect(report.items.map(({ status }) => status)).toEqual(["done", "failed"]);
    expect(report.items[1]!.error).toMatch(/odd\.png.*33x32.*--scale 4/);
    const sensed = await restore({
      inputs: [join(folder, "odd.png")],
      out: join(out, "cs"),
      task: "cs-hadamard",
      simulate: true,
    });
    expect(sensed.items[0]!.error).toMatch(/cannot be padded/);
  });
});

describe("trouble", () => {
  it("tries a picture again when its worker was lost, then gives it up alone", async () => {
    const { folder, out } = await dataset("a.png", "b.png");
    const run = { inputs: [folder], task: "colorize", workers: 1 } as const;
    const twice = await restore({ ...run, out, startFleet: () => inProcessFleet(1, losing(2, "a.png")) });
    expect(twice.items).toMatchObject([
      { status: "done", attempts: 3 },
      { status: "done", attempts: 1 },
    ]);
    const thrice = await restore({
      ...run,
      out: join(out, "more"),
      startFleet: () => inProcessFleet(1, losing(3, "a.png")),
    });
    expect(thrice.items).toMatchObject([
      { status: "failed", attempts: 3, error: "the worker died (given up after 3 attempts)" },
      { status: "done", attempts: 1 },
    ]);
  });

  it("stops when the output cannot be written, and still writes the report", async () => {
    const names = Array.from({ length: 12 }, (_, i) => `${String.fromCharCode(97 + i)}.png`);
    const { folder, out } = await dataset(...names);
    // A folder where the first output belongs.
    await mkdir(join(out, "a.png"), { recursive: true });
    const fleet = await inProcessFleet(1);
    const run = restore({
      inputs: [folder],
      out,
      task: "colorize",
      workers: 1,
      // Few pictures at a time: whole chains would all be under way.
      plan: "time-parallel",
      startFleet: async () => fleet,
    });
    await expect(run).rejects.toThrow(FatalError);
    const report = reportSchema.parse(JSON.parse(await readFile(join(out, "report.json"), "utf8")));
    expect(report.run).toMatchObject({ status: "failed", counts: { failed: 1 } });
    expect(report.run.counts.cancelled).toBeGreaterThan(4);
    expect(report.run.error).toContain(join(out, "a.png"));
    expect(fleet.closed).toBe(true);
  });

  it("reports that no worker could be started", async () => {
    const { folder, out } = await dataset("a.png");
    const startFleet = () => Promise.reject(new RetryableError("no memory"));
    const run = restore({ inputs: [folder], out, task: "colorize", startFleet });
    await expect(run).rejects.toThrow(/workers cannot be started: no memory/);
    expect(JSON.parse(await readFile(join(out, "report.json"), "utf8")).run.status).toBe("failed");
  });

  it("refuses what cannot work before anything is written", async () => {
    const { folder, out } = await dataset("a.png");
    const run = { inputs: [folder], out, task: "colorize", startFleet: neverStarted } as const;
    await expect(restore({ ...run, model: join(folder, "no.onnx") })).rejects.toThrow(/--model .*no.onnx/);
    await expect(restore({ ...run, inputs: [join(folder, "no.png")] })).rejects.toThrow(InputError);
    const overItself = { inputs: [join(folder, "a.png")], out: folder };
    await expect(restore({ ...run, ...overItself })).rejects.toThrow(/over an input/);
    await smallPicture(join(folder, "contact-sheet.png"), small);
    await expect(restore({ ...run, contactSheet: true })).rejects.toThrow(/both be written/);
    await expect(readFile(join(out, "report.json"))).rejects.toThrow(/ENOENT/);
  });
});

describe("interruption", () => {
  it("abandons what is at work, reports the rest as cancelled and is resumed", async () => {
    const { folder, out } = await dataset("a.png", "b.png", "c.png", "d.png");
    const controller = new AbortController();
    const run = { inputs: [folder], out, task: "sr-average", simulate: true, plan: "time-parallel" } as const;
    const fleet = await inProcessFleet(2);
    let written = false;
    const stopped = await restore({
      ...run,
      signal: controller.signal,
      startFleet: async () => fleet,
      onEvent: (event) => {
        // The next chain begins while the last one ends, or its picture is written.
        if (event.event === "picture-done") written = true;
        if (event.event === "round" && written) controller.abort();
      },
    });
    const statuses = stopped.items.map(({ status }) => status);
    expect(statuses[0]).toBe("done");
    expect(statuses.slice(2)).toEqual(["cancelled", "cancelled"]);
    expect(stopped.run.status).toBe("cancelled");
    expect(stopped.run.counts.failed).toBe(0);
    expect(JSON.parse(await readFile(join(out, "report.json"), "utf8"))).toEqual(stopped);
    expect(fleet.closed).toBe(true);

    const resumed = await restore(run);
    expect(resumed.items.map(({ status }) => status)).toEqual(
      statuses.map((status) => (status === "done" ? "skipped" : "done")),
    );
    const whole = await restore({ ...run, out: join(out, "whole") });
    // Where borders move, and that goes by the clock, the last bits of a cut chain differ.
    for (const [i, { psnr }] of resumed.items.entries()) expect(psnr).toBeCloseTo(whole.items[i].psnr!, 4);
  });

  it("does not blame workers that were stopped while they started", async () => {
    const { folder, out } = await dataset("a.png");
    const controller = new AbortController();
    const startFleet = async () => {
      controller.abort();
      throw new FatalError("stopped");
    };
    const report = await restore({
      inputs: [folder],
      out,
      task: "colorize",
      signal: controller.signal,
      startFleet,
    });
    expect(report.run).toMatchObject({ status: "cancelled", counts: { cancelled: 1 } });
  });
});

it("hashes the model the workers will load", async () => {
  const { folder, out } = await dataset("a.png");
  const { network } = await inProcessFleet(1);
  const report = await restore({ inputs: [folder], out, task: "colorize" });
  expect(report.run.model).toEqual({ path: priorPath, hash: network.hash });
});
