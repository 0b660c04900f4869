/** Jobs as users run them: coordinator and workers as processes, the command line, folders and object storage. */
import { readFileSync, writeFileSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ClusterFixture } from "../cluster-fixture.js";
import { cutPictures, filesBelow } from "../faults/dataset.js";
import { deqfleet, outcomesOf, startJobCoordinator } from "../job-commands.js";
import { ModelFolder, slowModel, smoothModel } from "../models.js";
import { type S3Server, startS3Server } from "../s3-server.js";
import { temporaryFolder } from "../small-pictures.js";

const models = new ModelFolder();
const model = models.write("smooth.onnx", smoothModel());
const cluster = new ClusterFixture();
afterEach(() => cluster.close());
afterAll(() => models.remove());

const task = ["--task", "sr-average", "--scale", "4", "--simulate", "--steps", "3", "--model", model];

describe("a job", () => {
  it("restores what can be restored, says what cannot, and goes on when it is mended", async () => {
    const folder = await temporaryFolder();
    await cutPictures(join(folder, "in"), 6, 32);
    const broken = join(folder, "in", "broken.png");
    await writeFile(broken, "no picture");
    const { address } = await startJobCoordinator(cluster, folder);
    const at = ["--coordinator", address];
    cluster.worker([address], model);
    const submit = [
      "submit",
      join(folder, "in"),
      "--out",
      join(folder, "out"),
      "--name",
      "photos",
      ...task,
      ...at,
    ];
    expect((await deqfleet(...submit)).stdout).toMatch(/^submitted photos/);
    const watched = await deqfleet("watch", "photos", ...at);
    expect(watched.code).toBe(1);
    expect(watched.stdout).toMatch(/photos finished: 6 of 7 restored, 1 failed\n$/);

    const outcomes = await outcomesOf("photos", at);
    expect(outcomes.filter(({ status }) => status === "done")).toHaveLength(6);
    expect(outcomes.find(({ key }) => key === "broken.png")).toMatchObject({
      status: "failed",
      errors: [expect.stringContaining("broken.png")],
    });
    const { outputs } = await filesBelow(join(folder, "out"));
    expect(outputs.filter((name) => !name.startsWith("measurements"))).toHaveLength(6);

    // The same again goes on; anything else is refused with the difference.
    expect((await deqfleet(...submit)).stdout).toMatch(
      /^photos goes on \(finished\): 6 of 7 restored, 1 failed/,
    );
    const other = await deqfleet(...submit, "--seed", "7");
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/exists with other settings \(restoration\.seed: then 0, now 7\)/);

    await writeFile(
      broken,
      readFileSync(join(folder, "in", outputs.find((name) => name.startsWith("shelf"))!)),
    );
    expect((await deqfleet("retry", "photos", "--failed", ...at)).code).toBe(0);
    const again = await deqfleet("watch", "photos", ...at);
    expect(again).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/photos finished: 7 of 7 restored\n$/),
    });
    const csv = (await deqfleet("results", "photos", "--format", "csv", ...at)).stdout;
    expect(csv.split("\r\n").filter((line) => line.includes(",done,"))).toHaveLength(7);
  });

  it("holds it against no picture that its worker, or its coordinator, was told to stop", async () => {
    const folder = await temporaryFolder();
    await cutPictures(join(folder, "in"), 1, 32);
    const slow = models.write("slow.onnx", await slowModel(0.2));
    let coordinator = await startJobCoordinator(cluster, folder, "--log", "json", "--log-level", "debug");
    let at = ["--coordinator", coordinator.address];
    const job = ["submit", join(folder, "in"), "--out", join(folder, "out"), "--name", "photos"];
    const restoration = [
      "--task",
      "sr-average",
      "--scale",
      "4",
      "--simulate",
      // Far longer than the grace time, also where the model was measured while the machine was busy.
      "--steps",
      "60",
      "--model",
      slow,
    ];
    await deqfleet(...job, ...restoration, ...at, "--max-deliveries", "1");
    const worker = () => cluster.worker([coordinator.address], slow, "--grace", "6");

    const stopped = worker();
    await coordinator.process.prints(/begun by/);
    stopped.signal("SIGTERM");
    expect(await stopped.ended()).toBe(0);
    await coordinator.process.prints(/returned, whoever had it was told to stop/);

    worker();
    await coordinator.process.prints(/begun by[\s\S]*begun by/);
    coordinator.process.signal("SIGTERM");
    expect(await coordinator.process.ended()).toBe(0);

    coordinator = await startJobCoordinator(cluster, folder);
    at = ["--coordinator", coordinator.address];
    worker();
    expect(await deqfleet("watch", "photos", ...at)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/photos finished: 1 of 1 restored\n$/),
    });
    expect(await outcomesOf("photos", at)).toMatchObject([{ status: "done", deliveries: 3, errors: [] }]);
  });

  it("is watched over a change of coordinators by whoever waits for the next one", async () => {
    const folder = await temporaryFolder();
    await cutPictures(join(folder, "in"), 1, 32);
    const first = await startJobCoordinator(cluster, folder, "--api", "127.0.0.1:0");
    const [, port] = await first.process.prints(/API on port (\d+)/);
    const api = `127.0.0.1:${port}`;
    const at = ["--coordinator", api];
    await deqfleet(
      "submit",
      join(folder, "in"),
      "--out",
      join(folder, "out"),
      "--name",
      "photos",
      ...task,
      ...at,
    );
    const [leaving, waiting] = [[], ["--wait", "60"]].map((more) =>
      cluster.start("watch", "photos", ...at, ...more),
    );
    for (const watch of [leaving!, waiting!]) await watch.prints(/0 of 1 restored; .*no worker has joined/);
    first.process.signal("SIGTERM");
    expect(await leaving!.ended()).toBe(3);
    expect(leaving!.output).toMatch(/deqfleet: coordinator .*: the coordinator is stopping\n$/);
    await waiting!.prints(/waiting: coordinator .*: the coordinator is stopping/);
    expect(await first.process.ended()).toBe(0);
    const next = await startJobCoordinator(cluster, folder, "--api", api);
    cluster.worker([next.address], model);
    expect(await waiting!.ended()).toBe(0);
    expect(waiting!.output).toMatch(/photos finished: 1 of 1 restored\n$/);
  });

  it("is submitted as a file and flags say, flags first, and not with what its fleet decides", async () => {
    const folder = await temporaryFolder();
    await cutPictures(join(folder, "in"), 1, 32);
    const { address } = await startJobCoordinator(cluster, folder);
    const file = join(folder, "job.yaml");
    const submit = (content: string) => {
      writeFileSync(file, content);
      const places = [join(folder, "in"), "--out", join(folder, "out"), "--name", "filed"];
      return deqfleet(
        "submit",
        ...places,
        "--config",
        file,
        "--weight",
        "2",
        "--json",
        "--coordinator",
        address,
      );
    };
    expect(await submit(`task: colorize\nworkers: 3\nmodel: ${model}\n`)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/"workers" is no option; known are task, .*max-?deliveries/i),
    });
    const content = `task: colorize\nsteps: 3\nmodel: ${model}\ngoal: latency\npriority: 4\nweight: 9\nmax-deliveries: 2\n`;
    const { code, stdout } = await submit(content);
    expect(code).toBe(0);
    const { spec } = (JSON.parse(stdout) as { status: { spec: Record<string, unknown> } }).status;
    expect(spec).toMatchObject({ goal: "latency", priority: 4, weight: 2, maxDeliveries: 2 });
    expect(JSON.parse(String(spec.restorationJson))).toMatchObject({ task: { task: "colorize" }, steps: 3 });
  });

  it("asks for a token on the public API, beside which the fleet's own port takes no jobs", async () => {
    const folder = await temporaryFolder();
    const [token, tokens] = ["0123456789abcdef0123456789abcdef", join(folder, "tokens")];
    await writeFile(tokens, `${token}\n`);
    await writeFile(join(folder, "wrong"), "0123456789abcdef0123456789abcdee\n");
    const { process, address } = await startJobCoordinator(
      cluster,
      folder,
      "--api",
      "127.0.0.1:0",
      "--api-tokens",
      tokens,
    );
    const [, port] = await process.prints(/API on port (\d+)/);
    const open = ["jobs", "--coordinator", `127.0.0.1:${port}`];
    expect(await deqfleet(...open)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/asks for a token/),
    });
    expect(await deqfleet(...open, "--token-file", join(folder, "wrong"))).toMatchObject({ code: 2 });
    expect(await deqfleet(...open, "--token-file", tokens)).toMatchObject({ code: 0, stdout: "no jobs\n" });
    expect(await deqfleet("jobs", "--coordinator", address)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/takes no jobs: .*--api address only/),
    });
    expect(process.output).not.toContain(token);
  });
});

describe("a job on object storage", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Server();
    await server.makeBucket("pictures");
  });
  afterAll(() => server.close());

  it("reads and writes it, waits while it is away, and goes on", async () => {
    const environment = { ...server.environment, AWS_ENDPOINT_URL_S3: server.endpoint };
    for (const [name, value] of Object.entries(environment)) process.env[name] = value;
    try {
      const folder = await temporaryFolder();
      await cutPictures(join(server.folderOf("pictures"), "in"), 5, 32);
      const { process: coordinator, address } = await startJobCoordinator(cluster, folder);
      const at = ["--coordinator", address];
      await deqfleet(
        "submit",
        "s3://pictures/in",
        "--out",
        "s3://pictures/out",
        "--name",
        "s3",
        ...task,
        ...at,
      );
      await coordinator.prints(/job s3 active/);
      await server.stop();
      // Only now somebody to do it: nothing of it was done before.
      cluster.worker([address], model);
      await coordinator.prints(/job s3 paused: .*s3:\/\/pictures/, 90_000);
      await server.restart();
      const watched = await deqfleet("watch", "s3", ...at);
      expect(watched).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/s3 finished: 5 of 5 restored\n$/),
      });
      const outputs = await readdir(join(server.folderOf("pictures"), "out"), { recursive: true });
      expect(
        outputs.filter((name) => name.endsWith(".png") && !name.startsWith("measurements")),
      ).toHaveLength(5);
    } finally {
      for (const name of Object.keys(environment)) delete process.env[name];
    }
  });
});
