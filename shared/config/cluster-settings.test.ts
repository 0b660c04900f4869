import { describe, expect, it } from "vitest";
import { InputError } from "../errors.js";
import { coordinatorOptionsSchema, resolveCoordinatorSettings } from "./coordinator-settings.js";
import { checkOptionsOf, flagOf } from "./options.js";
import { resolveWorkerSettings, workerOptionsSchema } from "./worker-settings.js";

const worker = (options: Record<string, unknown>) => checkOptionsOf(workerOptionsSchema, options, flagOf);
const coordinator = (options: Record<string, unknown>) =>
  checkOptionsOf(coordinatorOptionsSchema, options, flagOf);
const surroundings = {
  cwd: "/home/user",
  defaultModel: "/package/prior.onnx",
  cores: 6,
  defaultName: "host-7",
};

const here = { cwd: "/home/user" };

/** What all processes have, unless they are told otherwise. */
const processDefaults = { tls: null, log: "text", logLevel: "info", traces: null };

describe("a worker's settings", () => {
  it("have the documented defaults, which find a coordinator on the same machine", () => {
    expect(resolveWorkerSettings({}, {}, surroundings)).toEqual({
      coordinators: [resolveCoordinatorSettings({}, {}, here).listen],
      model: "/package/prior.onnx",
      listen: "127.0.0.1:0",
      advertise: null,
      http: null,
      name: "host-7",
      device: "cpu",
      threads: 6,
      ...processDefaults,
      batch: null,
      grace: 60,
      measure: 3,
    });
  });

  it("flags win over the file; coordinators are a list or one text", () => {
    const file = worker({ coordinator: ["a:1", "b:2"], grace: 5, threads: 2 });
    const flags = worker({ coordinator: "c:3, [::1]:4", threads: 1, model: "m.onnx" });
    expect(resolveWorkerSettings(flags, file, surroundings)).toMatchObject({
      coordinators: ["c:3", "[::1]:4"],
      grace: 5,
      threads: 1,
      model: "/home/user/m.onnx",
    });
    expect(resolveWorkerSettings({}, file, surroundings).coordinators).toEqual(["a:1", "b:2"]);
  });

  it.each([
    [{ coordinator: "nowhere" }, /--coordinator "nowhere".*HOST:PORT/],
    [{ coordinator: "a:1,,b:2" }, /--coordinator.*HOST:PORT/],
    [{ listen: "host:65536" }, /--listen "host:65536".*port/],
    [{ listen: "::1:80" }, /--listen.*brackets/],
    [{ device: "gpu" }, /--device "gpu".*cuda:0/],
    [{ device: "cuda:-1" }, /--device "cuda:-1"/],
    [{ name: "a b" }, /--name "a b"/],
    [{ grace: 0 }, /--grace 0/],
    [{ threads: 1.5 }, /--threads 1\.5/],
    [{ modle: "x" }, /--modle is no option; known are .*model/],
  ])("%j is refused with its name and value", (options, message) => {
    expect(() => worker(options)).toThrow(InputError);
    expect(() => worker(options)).toThrow(message);
  });
});

describe("a coordinator's settings", () => {
  it("have the documented defaults", () => {
    expect(resolveCoordinatorSettings({}, {}, here)).toEqual({
      listen: "127.0.0.1:7700",
      ...processDefaults,
      advertise: null,
      rounds: "127.0.0.1:0",
      http: null,
      heartbeat: 2,
      silence: 10,
      jobs: { kind: "embedded", folder: "/home/user/deqfleet-jobs" },
      api: null,
    });
  });

  it("rounds come in beside the fleet's port, elsewhere, or not at all", () => {
    const rounds = (options: Record<string, unknown>) =>
      resolveCoordinatorSettings(coordinator(options), {}, here).rounds;
    expect(rounds({ listen: "[::]:7700" })).toBe("[::]:0");
    expect(rounds({ rounds: "10.0.0.1:7702" })).toBe("10.0.0.1:7702");
    expect(rounds({ rounds: "off" })).toBeNull();
    expect(() => rounds({ rounds: "no" })).toThrow(/--rounds "no": needs HOST:PORT/);
  });

  it("a shorter silence brings quicker heartbeats", () => {
    expect(resolveCoordinatorSettings(coordinator({ silence: 1 }), {}, here)).toMatchObject({
      heartbeat: 0.2,
    });
  });

  it("a silence that a late heartbeat would break is refused", () => {
    expect(() => resolveCoordinatorSettings({ silence: 3 }, { heartbeat: 2 }, here)).toThrow(
      /--silence 3.*--heartbeat 2/,
    );
  });

  it.each([
    [{ nats: "nats://fleet:s3cret@broker:4222" }, '--nats "nats://...@broker:4222": needs nats://HOST'],
    [
      { nats: { servers: ["nats://a:1", "nats://b:s3cret/x@c:2"] } },
      '--nats servers 1 "nats://...@c:2": needs nats://HOST',
    ],
    [{ nats: { server: "broker" } }, "--nats servers is missing"],
    [{ nats: { servers: ["nats://a:1"], password: "s3cret" } }, '--nats: "password" is no setting'],
    [
      { nats: { servers: ["nats://a:1"], user: "s3cret" } },
      "--nats {servers, user}: needs both user and passwordFile",
    ],
    [{ password: "s3cret" }, "--password is no option; known are listen, "],
  ])("names what is refused of %o, and no secret", (options, message) => {
    let said = "";
    try {
      coordinator(options);
    } catch (error) {
      expect(error).toBeInstanceOf(InputError);
      said = (error as InputError).message;
    }
    expect(said).toContain(message);
    expect(said).not.toContain("s3cret");
  });
});
