/**
 * What coordinator and workers, as processes, show of themselves while they work: metrics, logs and traces of one small fleet that
 * restores pictures whole and cut, loses a worker, and has a job that nobody can do.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { itemOutcomeSchema } from "../../shared/jobs/work-item.js";
import { packageRoot } from "../../shared/package-root.js";
import { protocolDefinition } from "../../shared/wire/definition.js";
import type { RestorePictureRequest } from "../../shared/wire/generated/deqfleet/v1/RestorePictureRequest.js";
import { encodeRequest } from "../../shared/wire/picture-codec.js";
import { insecureChannel, protocol } from "../../shared/wire/protocol.js";
import { cutPictures, filesBelow } from "../faults/dataset.js";
import { linearModel, ModelFolder } from "../models.js";
import { ServiceProcess } from "../service-process.js";
import { startTraceCollector, type TraceCollector } from "../trace-collector.js";
import {
  linesOf,
  look,
  lookWhile,
  type Scrape,
  shows,
  type Watched,
  watch,
  wireSample,
} from "../watched-process.js";

const run = promisify(execFile);
const program = fileURLToPath(new URL("dist/cli/main.js", packageRoot));
const models = new ModelFolder();
const side = 64;
const steps = 4;

let collector: TraceCollector;
let coordinator: Watched;
let near: Watched;
let far: Watched;
let before: Scrape;
let after: { readonly coordinator: Scrape; readonly near: Scrape; readonly far: Scrape };
let folder: string;
let input: string;
let output: string;
let cutRounds: readonly number[];
let restorationJson: string;
const started: ServiceProcess[] = [];

/** Watches a process that is ended with the others. */
function watchStarted(process: ServiceProcess): Promise<Watched> {
  started.push(process);
  return watch(process);
}

beforeAll(async () => {
  collector = await startTraceCollector();
  folder = await mkdtemp(join(tmpdir(), "deqfleet-observability-"));
  [input, output] = [join(folder, "in"), join(folder, "out")];
  await cutPictures(join(input, "whole"), 6, side / 4);
  await mkdir(join(input, "broken"));
  await writeFile(join(input, "broken", "broken.png"), "no picture");
  await cutPictures(join(input, "cut"), 2, side / 4);
  await mkdir(output);
  const common = ["--http", "127.0.0.1:0", "--log", "json", "--log-level", "debug"];
  const traced = [...common, "--traces", collector.endpoint];
  coordinator = await watchStarted(
    ServiceProcess.start(
      "coordinator",
      ...["--listen", "127.0.0.1:0", "--heartbeat", "0.1", "--data", join(folder, "jobs"), ...traced],
    ),
  );
  const [, address] = await coordinator.process.prints(/"address":"([^"]+)"/);
  const at = ["--coordinator", address!];
  const worker = (name: string) => [
    "worker",
    ...at,
    "--name",
    name,
    "--threads",
    "1",
    "--measure",
    "0",
    ...traced,
  ];
  const deqfleet = (...args: string[]) =>
    run(process.execPath, [program, ...args, ...at]).then(
      (done) => done.stdout,
      (error: { readonly stdout: string }) => error.stdout,
    );
  const submit = (name: string, from: string, ...flags: string[]) =>
    deqfleet(
      ...["submit", join(input, from), "--out", join(output, name), "--name", name],
      ...["--task", "sr-average", "--scale", "4", "--steps", String(steps), ...flags],
    );

  const doomed = ServiceProcess.startWith({ DEQFLEET_CRASH_POINT: "before-rename" }, ...worker("doomed"));
  started.push(doomed);
  await doomed.prints(/"state":"serving"/);
  await submit("whole", "whole", "--plan", "serial");
  await coordinator.process.prints(/"kind":"lost","worker":"doomed"/);
  await shows(coordinator, 'deqfleet_workers{state="serving"}', (count) => count === 0);
  before = await look(coordinator);

  const jobs = new protocol.Jobs(address!, insecureChannel);
  restorationJson = await new Promise<string>((resolve, reject) =>
    jobs.get({ name: "whole" }, (error, job) => {
      if (job?.spec) resolve(job.spec.restorationJson);
      else reject(error);
    }),
  );
  jobs.close();

  near = await watchStarted(ServiceProcess.start(...worker("near")));
  await near.process.prints(/"state":"serving"/);
  await lookWhile(deqfleet("watch", "whole"), coordinator, near);
  await submit("broken", "broken", "--plan", "serial");
  await deqfleet("watch", "broken");
  // Reached by an address that counts as another machine's: no lane leads there.
  far = await watchStarted(ServiceProcess.start(...worker("far"), "--advertise", "0.0.0.0:0"));
  await far.process.prints(/"state":"serving"/);
  await submit("cut", "cut", "--plan", "time-parallel");
  await lookWhile(deqfleet("watch", "cut"), coordinator, near, far);
  const outcomes = (await deqfleet("results", "cut")).split("\n").filter((line) => line !== "");
  cutRounds = outcomes.map((line) => itemOutcomeSchema.parse(JSON.parse(line)).rounds ?? 0);

  await submit("waiting", "cut", "--model", models.write("other.onnx", linearModel(0.1)));
  await shows(coordinator, 'deqfleet_queue_items{job="waiting",state="queued"}', (count) => count > 0);
  // An engine tells of its lanes and sockets once a second.
  const received = (await look(coordinator)).get(wireSample("bytes", "lane", "received", "OpenSlice"));
  await shows(near, wireSample("bytes", "lane", "sent", "OpenSlice"), (bytes) => bytes === received);
  const socket = wireSample("bytes", "socket", "sent", "OpenSlice");
  const nearSent = (await look(near)).get(socket) ?? 0;
  const come = (await look(coordinator)).get(wireSample("bytes", "socket", "received", "OpenSlice")) ?? 0;
  await shows(far, socket, (bytes) => bytes === come - nearSent);
  after = { coordinator: await look(coordinator), near: await look(near), far: await look(far) };

  for (const { process } of [near, far, coordinator]) {
    process.signal("SIGTERM");
    expect(await process.ended()).toBe(0);
  }
}, 180_000);

afterAll(async () => {
  for (const process of started) await process.kill();
  await collector.close();
  models.remove();
  await rm(folder, { recursive: true, force: true });
});

describe("metrics", () => {
  it("are all there and move, under the names that are documented", async () => {
    const text = await readFile(new URL("docs/metrics.md", packageRoot), "utf8");
    const [ofCoordinator, ofWorker] = text.split("## Of a worker");
    const names = (part: string) => [...part.matchAll(/^\| `(deqfleet_\w+)` \|/gm)].map(([, name]) => name!);
    const moved = (name: string, ...processes: Watched[]) =>
      processes.some(({ largest }) =>
        [...largest].some(([sample, value]) => {
          const [base] = sample.split("{");
          return (base === name || base === `${name}_count`) && value > 0;
        }),
      );
    expect(names(ofCoordinator!).length).toBeGreaterThan(10);
    expect(names(ofWorker!).length).toBeGreaterThan(5);
    expect(names(ofCoordinator!).filter((name) => !moved(name, coordinator))).toEqual([]);
    expect(names(ofWorker!).filter((name) => !moved(name, near, far))).toEqual([]);
    for (const process of [coordinator, near, far]) {
      expect(moved("nodejs_eventloop_lag_max_seconds", process)).toBe(true);
      expect(process.largest.has("nodejs_eventloop_lag_seconds")).toBe(true);
    }
  });

  it("count what happened", () => {
    const { coordinator: seen } = after;
    expect(seen.get('deqfleet_items_total{job="whole",status="done"}')).toBe(6);
    expect(seen.get('deqfleet_items_total{job="broken",status="failed"}')).toBe(1);
    expect(seen.get('deqfleet_item_retries_total{job="whole"}')).toBeGreaterThan(0);
    expect(seen.get("deqfleet_worker_losses_total")).toBe(1);
    expect(seen.get('deqfleet_evaluations_sum{task="sr-average",plan="serial"}')).toBe(6 * steps);
    expect(seen.get('deqfleet_rounds_sum{task="sr-average"}')).toBe(cutRounds.reduce((a, b) => a + b));
    expect(seen.get('deqfleet_residual_at_stop_ratio_count{task="sr-average"}')).toBe(2);
    expect(near.largest.get('deqfleet_worker_held{what="picture"}')).toBeGreaterThan(0);
    expect(near.largest.get('deqfleet_worker_held{what="slice"}')).toBeGreaterThan(0);
    expect(far.largest.get('deqfleet_worker_held{what="slice"}')).toBeGreaterThan(0);
    expect(coordinator.largest.get('deqfleet_queue_items{job="whole",state="taken"}')).toBeGreaterThan(0);
  });

  it("count every byte between coordinator and workers, the same on both sides", () => {
    const ways = [
      ["grpc", "RestorePicture"],
      ["grpc", "OpenSlice"],
      ["grpc", "FollowSlice"],
      ["socket", "OpenSlice"],
      ["socket", "FollowSlice"],
      ["lane", "OpenSlice"],
      ["lane", "FollowSlice"],
    ] as const;
    const since = (sample: string) => (after.coordinator.get(sample) ?? 0) - (before.get(sample) ?? 0);
    const ofWorkers = (sample: string) => (after.near.get(sample) ?? 0) + (after.far.get(sample) ?? 0);
    for (const [way, call] of ways) {
      for (const what of ["messages", "bytes"]) {
        const [sent, received] = ["sent", "received"].map((direction) =>
          wireSample(what, way, direction, call),
        );
        expect([way, call, what, since(sent!)]).toEqual([way, call, what, ofWorkers(received!)]);
        expect([way, call, what, since(received!)]).toEqual([way, call, what, ofWorkers(sent!)]);
        // Rounds flow both ways; every way has carried something.
        expect(since(sent!) + since(received!)).toBeGreaterThan(0);
      }
    }
    // No lane leads to the far worker: its tensors are behind its messages.
    for (const [sample] of after.far) expect(sample).not.toMatch(/way="lane"/);
    const picture = 4 * 3 * side * side;
    const rounds = cutRounds.reduce((a, b) => a + b);
    const [lane, messages] = ["bytes", "messages"].map((what) =>
      wireSample(what, "lane", "sent", "OpenSlice"),
    );
    expect(after.near.get(lane!)).toBeGreaterThanOrEqual(picture * after.near.get(messages!)!);
    // It sends exits, or receives corrections, whichever slice it has.
    const far = (call: string, direction: string) =>
      after.far.get(wireSample("bytes", "socket", direction, call)) ?? 0;
    expect(far("OpenSlice", "sent") + far("FollowSlice", "received")).toBeGreaterThan(picture);
    expect(since('deqfleet_wire_seconds_count{exchange="round"}')).toBeGreaterThanOrEqual(rounds);
    expect(since('deqfleet_wire_seconds_count{exchange="picture"}')).toBe(6);
    expect(after.near.get(wireSample("codec_seconds", "lane", "sent", "OpenSlice"))).toBeGreaterThan(0);
  });

  it("count requests for whole pictures as long as they are", async () => {
    const { outputs: whole } = await filesBelow(join(input, "whole"));
    const pictures = [...whole.map((key) => ({ job: "whole", key })), { job: "broken", key: "broken.png" }];
    const { requestSerialize } = (
      protocolDefinition["deqfleet.v1.Worker"] as Record<
        string,
        { requestSerialize(request: RestorePictureRequest): Buffer }
      >
    ).RestorePicture!;
    const store = (root: string, job: string) => pathToFileURL(join(root, job)).href;
    const lengths = pictures.map(
      ({ job, key }) =>
        requestSerialize(
          encodeRequest({
            pictureId: key,
            restoration: JSON.parse(restorationJson),
            input: { store: store(input, job), key },
            output: { store: store(output, job), key },
            measurement: undefined,
            mask: undefined,
            job,
          }),
        ).length,
    );
    const received = after.near.get(wireSample("bytes", "grpc", "received", "RestorePicture"));
    expect(received).toBe(lengths.reduce((a, b) => a + b));
  });
});

describe("logs", () => {
  it("tie lines together by job, picture and round", () => {
    const lines = linesOf(coordinator);
    expect(lines.every(({ role, name, pid }) => role === "coordinator" && name === hostname() && pid)).toBe(
      true,
    );
    const rounds = lines.filter(({ job, round }) => job === "cut" && round !== undefined);
    expect(rounds.map(({ round }) => round).sort()).toEqual(
      cutRounds.flatMap((count) => Array.from({ length: count }, (_, i) => i + 1)).sort(),
    );
    for (const line of rounds)
      expect(line).toMatchObject({ level: "debug", picture: expect.stringMatching(/png$/) });
    const done = lines.filter(({ job, status }) => job === "whole" && status === "done");
    expect(done).toHaveLength(6);
    const [{ picture }] = done as [Record<string, unknown>];
    expect(linesOf(near)).toContainEqual(
      expect.objectContaining({ role: "worker", name: "near", job: "whole", picture, status: "done" }),
    );
    expect(linesOf(far)).toContainEqual(
      expect.objectContaining({ event: "slice-ended", begin: expect.any(Number) }),
    );
  });
});

describe("traces", () => {
  const spansOf = (job: string, picture?: string) => {
    const items = collector.spans.filter(
      ({ name, attributes }) =>
        name === "item" &&
        attributes["deqfleet.job"] === job &&
        (picture === undefined || attributes["deqfleet.picture"] === picture),
    );
    return items.map((item) => ({
      item,
      spans: collector.spans.filter(({ traceId }) => traceId === item.traceId),
    }));
  };
  const moments = ({
    startTimeUnixNano: start,
    endTimeUnixNano: end,
  }: {
    startTimeUnixNano: string;
    endTimeUnixNano: string;
  }) => [BigInt(start), BigInt(end)];

  it("follow a whole picture from its coordinator into its worker", () => {
    const all = [...spansOf("whole"), ...spansOf("broken")];
    const lives = all.filter(({ spans }) => spans.some(({ process }) => process === "near"));
    expect(lives).toHaveLength(7);
    for (const { item, spans } of lives) {
      const named = (name: string) => spans.filter((span) => span.name === name);
      const [restore] = named("restore item");
      const [picture] = named("restore picture");
      expect(item).toMatchObject({ process: hostname() });
      expect(item.parentSpanId ?? "").toBe("");
      expect(restore).toMatchObject({ process: hostname(), parentSpanId: item.spanId });
      expect(picture).toMatchObject({ process: "near", parentSpanId: restore!.spanId });
      if (item.attributes["deqfleet.picture"] === "broken.png") {
        expect(picture!.status).toMatchObject({ code: 2, message: expect.stringContaining("broken.png") });
        continue;
      }
      let last = moments(picture!)[0]!;
      for (const part of ["read", "decode", "evaluate", "encode", "write"]) {
        const [found, ...more] = named(part);
        expect(more).toEqual([]);
        expect(found).toMatchObject({ process: "near", parentSpanId: picture!.spanId });
        const [start, end] = moments(found!);
        // Clocks of two threads differ by less than a millisecond.
        expect(start! + 1_000_000n).toBeGreaterThanOrEqual(last);
        last = end!;
      }
    }
  });

  it("follow a cut chain into all of its workers, round by round", () => {
    const lives = spansOf("cut");
    expect(lives).toHaveLength(2);
    for (const { item, spans } of lives) {
      const one = (name: string) => spans.find((span) => span.name === name)!;
      expect(one("restore item").parentSpanId).toBe(item.spanId);
      for (const part of ["prepare", "solve", "encode", "write"]) {
        expect(one(part)).toMatchObject({ process: hostname(), parentSpanId: one("restore item").spanId });
      }
      const rounds = one("solve").events.filter(({ name }) => name === "round").length;
      expect(cutRounds).toContain(rounds);
      const slices = spans.filter(({ name }) => name === "slice");
      expect(slices.map(({ process }) => process).sort()).toEqual(["far", "near"]);
      for (const slice of slices) {
        expect(slice.parentSpanId).toBe(one("solve").spanId);
        expect(slice.status?.code ?? 0).toBe(0);
        const own = spans.filter(
          ({ name, parentSpanId }) => name === "round" && parentSpanId === slice.spanId,
        );
        expect(own.length).toBeGreaterThan(0);
        for (const { process } of own) expect(process).toBe(slice.process);
      }
    }
  });
});
