/** The commands for jobs against the API of a coordinator: a real server, the embedded log, workers that copy. */
import { EventEmitter } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { JobsService } from "../coordinator/api/jobs-service.js";
import { FatalError, InputError, PictureError, RetryableError } from "../shared/errors.js";
import { errorKind, errorReason } from "../shared/wire/api-error.js";
import type { JobStatus__Output } from "../shared/wire/generated/deqfleet/v1/JobStatus.js";
import { GrpcServer } from "../shared/wire/grpc-server.js";
import { damage, writeDamaged } from "../test/damaged-files.js";
import { type JobFixture, openJobFixture } from "../test/job-fixture.js";
import { itemOutcome, workItem } from "../test/job-samples.js";
import { errorOf, JobsConnection } from "./jobs-connection.js";
import { main } from "./main.js";

let fixture: JobFixture;
let server: GrpcServer;
let coordinator: string;
const stopping = new AbortController();
beforeEach(async () => {
  fixture = await openJobFixture({ seats: 1, members: 1 });
  server = new GrpcServer();
  new JobsService(fixture.engine, stopping.signal).serveOn(server);
  coordinator = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
});
afterEach(async () => {
  server.close();
  await fixture.close();
});

async function run(...args: string[]) {
  const written = { stdout: "", stderr: "" };
  const stream = (name: keyof typeof written) => ({ write: (text: string) => (written[name] += text) });
  const surroundings = {
    console: { stdout: stream("stdout"), stderr: stream("stderr") },
    cwd: fixture.folder,
    signals: new EventEmitter(),
    exit: () => {},
  };
  const exitCode = await main([...args, "--coordinator", coordinator], surroundings);
  return { exitCode, ...written };
}

const begin = async (name: string) => {
  const { job } = await fixture.log.create(fixture.record(name));
  fixture.engine.follow(job);
};

/** Holds every picture from its beginning on. @returns lets them go */
function holdPictures(): () => void {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  fixture.onBegin = () => released;
  return release;
}

describe("deqfleet delete", () => {
  it("removes a job at its end, and nothing of what it has written", async () => {
    await fixture.inputs("a.png", "broken.png");
    await begin("photos");
    expect((await run("watch", "photos")).exitCode).toBe(1);
    const deleted = { exitCode: 0, stdout: "photos: deleted; its outputs stay\n", stderr: "" };
    expect(await run("delete", "photos")).toEqual(deleted);
    expect((await run("jobs")).stdout).toBe("no jobs\n");
    expect(await fixture.outputs()).toEqual(["a.png"]);
    expect(await fixture.outcomes("photos")).toEqual([]);
    const again = await run("delete", "photos");
    expect(again).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('no job "photos"') });

    // The name begins anew.
    await begin("photos");
    expect((await run("watch", "photos")).stdout).toContain("photos finished: 1 of 2 restored");
    expect(await fixture.outcomes("photos")).toHaveLength(2);
  });

  it("refuses a job that is not at its end, and says what to do first", async () => {
    const release = holdPictures();
    await fixture.inputs("a.png", "b.png");
    await begin("photos");
    const refused = await run("delete", "photos");
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toBe(
      "deqfleet: job photos is active and not at its end; cancel it first: deqfleet cancel photos\n",
    );
    await run("cancel", "photos");
    release();
    expect((await run("watch", "photos")).exitCode).toBe(130);
    expect((await run("delete", "photos", "--json")).stdout).toBe('{"deleted":"photos"}\n');
  });

  it("that was interrupted is gone on with, and the job is good for nothing else", async () => {
    await fixture.inputs("broken.png");
    await begin("photos");
    await run("watch", "photos");
    await fixture.log.update("photos", (job) => ({ ...job, deleting: true }));
    const retried = await run("retry", "photos", "--failed");
    expect(retried.exitCode).toBe(2);
    expect(retried.stderr).toMatch(/photos was being deleted.*deqfleet delete photos/);
    expect((await run("delete", "photos")).exitCode).toBe(0);
  });
});

describe("a job whose log is damaged", () => {
  const fileOf = (name: string, file: string) => join(fixture.folder, "log", "jobs", name, file);
  /** Finished jobs beside it. */
  const finishOthers = async () => {
    await fixture.inputs("a.png", "broken.png");
    for (const name of ["other", "past"]) {
      await begin(name);
      expect((await run("watch", name)).exitCode).toBe(1);
    }
    // The record says what its log would.
    await damage(fileOf("past", "outcomes.log"));
  };
  const stateOf = (text: string, name: string) =>
    text.split("\n").find((line) => line.startsWith(`${name} `));

  it("is listed with what is wrong, among the others; calls on it fail at once and say the same", async () => {
    await finishOthers();
    await writeDamaged(fileOf("photos", "outcomes.log"), itemOutcome(0), itemOutcome(1));
    await begin("photos");
    const { exitCode, stdout } = await run("jobs");
    expect(exitCode).toBe(0);
    for (const name of ["other", "past"]) {
      expect(stateOf(stdout, name)).toMatch(/^\w+ +finished +2 +1 +1 +0 /);
    }
    expect(stateOf(stdout, "photos")).toMatch(/^photos +active +0\+ +\? +\? +\? /);
    const wrong = /photos.outcomes.log is damaged at byte 0.*Restore the file from a backup/;
    expect(stdout.trim().split("\n").at(-1)).toMatch(wrong);
    expect(stdout).toContain("\nphotos: ");
    for (const command of ["watch", "cancel", "retry"]) {
      const failed = await run(command, "photos");
      expect([command, failed.exitCode]).toEqual([command, 3]);
      expect(failed.stderr).toMatch(wrong);
    }
    // It was cancelled all the same.
    expect((await fixture.log.get("photos"))?.state).toBe("cancelled");
  });

  it("is shown with what is wrong where only its queue is damaged", async () => {
    await writeDamaged(fileOf("photos", "items.log"), workItem(0), workItem(1));
    await begin("photos");
    await expect
      .poll(async () => (await run("jobs")).stdout, { timeout: 20_000 })
      .toMatch(/\nphotos: .*items.log is damaged at byte 0/);
    expect((await run("cancel", "photos")).stdout).toMatch(
      /^photos: cancelled: .*items.log is damaged.*; 0 of/,
    );
  });
});

describe("--wait", () => {
  const restoration = ["--task", "sr-average", "--scale", "2", "--steps", "5"];
  const submitAfter = (...args: string[]) =>
    run("submit", "in", "--out", "out", "--name", "photos", ...restoration, ...args);
  /** The coordinator again, where it was. */
  const serveAgain = async () => {
    server = new GrpcServer();
    new JobsService(fixture.engine, stopping.signal).serveOn(server);
    await server.listen(coordinator);
  };

  it("has submit wait for a coordinator, and is over when none comes", async () => {
    await fixture.inputs("a.png");
    server.close();
    const began = performance.now();
    const given = await submitAfter("--wait", "1");
    expect(given).toMatchObject({ exitCode: 3, stderr: expect.stringMatching(/waiting: coordinator .*\n/) });
    expect(performance.now() - began).toBeGreaterThan(1000);
    const submitted = submitAfter("--wait", "60");
    await delay(700);
    await serveAgain();
    expect(await submitted).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^submitted photos/),
    });
    expect(await run("watch", "photos")).toMatchObject({ exitCode: 0 });
  });

  it("has submit wait for a worker whose model the job is to have", async () => {
    await fixture.inputs("a.png");
    const { members } = fixture.pool;
    fixture.pool.members = () => [];
    expect(await submitAfter()).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("no worker") });
    const submitted = submitAfter("--wait", "60");
    await delay(700);
    fixture.pool.members = members;
    expect(await submitted).toMatchObject({
      exitCode: 0,
      stderr: expect.stringMatching(/^deqfleet: waiting: no worker has joined yet, .*\n$/),
    });
    expect(await run("watch", "photos")).toMatchObject({ exitCode: 0 });
  });

  it("has nobody wait for what cannot be", async () => {
    await mkdir(join(fixture.folder, "empty"));
    const began = performance.now();
    const refused = await run("submit", "empty", "--out", "out", ...restoration, "--wait", "60");
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("holds no picture") });
    expect(await run("watch", "none", "--wait", "60")).toMatchObject({ exitCode: 2 });
    expect(await run("watch", "none", "--wait", "-1")).toMatchObject({ exitCode: 2 });
    expect(performance.now() - began).toBeLessThan(20_000);
  });
});

/** Makes a call that fails. */
async function caught(
  call: (connection: JobsConnection) => Promise<unknown>,
): Promise<{ error: unknown; cause: ServiceError }> {
  try {
    await JobsConnection.with({ coordinator }, call);
  } catch (error) {
    return { error, cause: (error as Error).cause as ServiceError };
  }
  throw new Error("the call succeeded");
}

describe("errors", () => {
  it("say what may be done next, for programs", async () => {
    await fixture.inputs("a.png");
    const release = holdPictures();
    await begin("photos");
    const missing = await caught((connection) => connection.call((client) => client.get, { name: "none" }));
    expect(missing.cause.code).toBe(status.NOT_FOUND);
    expect([errorKind(missing.cause), errorReason(missing.cause)]).toEqual(["input", "no-such-job"]);
    const early = await caught((connection) =>
      connection.call((client) => client.delete, { name: "photos" }),
    );
    expect(early.cause.code).toBe(status.FAILED_PRECONDITION);
    expect([errorKind(early.cause), errorReason(early.cause)]).toEqual(["input", "job-not-ended"]);
    expect(early.error).toBeInstanceOf(InputError);
    const streamed = await caught(async (connection) => {
      const signal = new AbortController().signal;
      for await (const _ of connection.stream(
        (client, metadata) => client.watch({ name: "none" }, metadata),
        signal,
      ));
    });
    expect([errorKind(streamed.cause), errorReason(streamed.cause)]).toEqual(["input", "no-such-job"]);
    expect(streamed.error).toBeInstanceOf(InputError);
    release();
  });

  it("go by their kind, and only where there is none by their code", () => {
    const error = (code: status, kind?: string): ServiceError => {
      const metadata = new Metadata();
      if (kind !== undefined) metadata.set("deqfleet-error-kind", kind);
      return Object.assign(new Error("what"), { code, details: "what", metadata });
    };
    const made = (code: status, kind?: string) => errorOf("host:1", error(code, kind));
    expect(made(status.INTERNAL, "input")).toBeInstanceOf(InputError);
    expect(made(status.INVALID_ARGUMENT, "picture")).toBeInstanceOf(PictureError);
    expect(made(status.INTERNAL, "retryable")).toBeInstanceOf(RetryableError);
    expect(made(status.UNAVAILABLE, "fatal")).toBeInstanceOf(FatalError);
    expect(made(status.UNAVAILABLE)).toBeInstanceOf(RetryableError);
    expect(made(status.UNAUTHENTICATED)).toBeInstanceOf(InputError);
    expect(made(status.INTERNAL, "unheard-of")).toBeInstanceOf(FatalError);
  });
});

describe("watching", () => {
  it("is told of changes, and of nothing else but the heartbeat", async () => {
    const release = holdPictures();
    await fixture.inputs("a.png");
    await begin("photos");
    // Until the picture is let go nothing changes any more.
    const settled = async () => fixture.begun.length === 1 && (await fixture.log.get("photos"))?.listedAll;
    await expect.poll(settled, { timeout: 20_000 }).toBe(true);
    const end = new AbortController();
    await JobsConnection.with({ coordinator }, async (connection) => {
      const watch = (request: { intervalMilliseconds: number; heartbeatMilliseconds: number }) =>
        connection.stream<JobStatus__Output>(
          (client, metadata) => client.watch({ name: "photos", ...request }, metadata),
          end.signal,
        );
      const silent = watch({ intervalMilliseconds: 50, heartbeatMilliseconds: 3_600_000 });
      const beating = watch({ intervalMilliseconds: 50, heartbeatMilliseconds: 100 });
      expect((await silent.next()).value).toMatchObject({ state: "active", pending: 1 });
      for (let beats = 0; beats < 3; beats++) {
        expect((await beating.next()).value).toMatchObject({ pending: 1 });
      }
      let told = false;
      const next = silent.next().finally(() => {
        told = true;
      });
      await delay(500);
      expect(told).toBe(false);
      release();
      const messages = [(await next).value as JobStatus__Output];
      for await (const message of silent) messages.push(message);
      expect(messages.at(-1)).toMatchObject({ state: "finished", pending: 0, counts: { done: 1 } });
      for await (const _ of beating);
    });
  });
});
