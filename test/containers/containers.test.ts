/**
 * The image as users build it, and a fleet of such containers that is upgraded while it works: every container is replaced, one
 * is paused, one loses its network. No picture is lost, and none is another than it would have been.
 */
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { itemOutcomeSchema } from "../../shared/jobs/work-item.js";
import { dockerRuns } from "../docker.js";
import { cutPictures, filesBelow, sameBytes } from "../faults/dataset.js";
import { natsImage } from "../nats-container.js";
import { composeRuns, make } from "./compose.js";
import { ContainerFleet, natsImageName } from "./container-fleet.js";
import { buildImages, docker, imageName, nextImageName, releaseLabel } from "./image.js";

const samples = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.png"];

const minutes = 60_000;

describe.skipIf(!dockerRuns())("containers", () => {
  beforeAll(buildImages, 10 * minutes);

  describe("the image", () => {
    it("has the program, what it runs with, and nothing to build or install with", async () => {
      const look = [
        "for tool in npm npx yarn corepack gcc cc make python3 tsc asc vitest git; do command -v $tool; done",
        "ls -d node_modules/typescript node_modules/vitest node_modules/testcontainers test 2>/dev/null",
        "ls package-lock.json models/prior.onnx",
        "id -u",
      ].join("; ");
      const seen = await docker("run", "--rm", "--entrypoint", "sh", imageName, "-c", look);
      expect(seen.split("\n").sort()).toEqual(["10001", "models/prior.onnx", "package-lock.json"]);
    });

    it("runs with a root that is read only, without capabilities, and is healthy by its own check", async () => {
      const locked = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"];
      const service = ["coordinator", "--http", "0.0.0.0:8080", "--data", "/jobs"];
      const tmpfs = ["--tmpfs", "/jobs:uid=10001"];
      const id = await docker("run", "-d", ...locked, ...tmpfs, imageName, ...service);
      try {
        const health = () => docker("inspect", "-f", "{{.State.Health.Status}}", id);
        await expect.poll(health, { timeout: 60_000, interval: 500 }).toBe("healthy");
        await expect(docker("exec", id, "sh", "-c", "echo > /app/written")).rejects.toThrow(/Read-only/);
        await docker("stop", id);
        // SIGTERM reaches the program, which ends in good order.
        expect(await docker("inspect", "-f", "{{.State.ExitCode}}", id)).toBe("0");
      } finally {
        await docker("rm", "-f", id);
      }
    });
  });

  describe.skipIf(!composeRuns())("the Compose file", () => {
    it("restores the samples by `make compose-demo`", { timeout: 10 * minutes }, async () => {
      await natsImage();
      const output = await mkdtemp(join(tmpdir(), "deqfleet-compose-"));
      const given = [
        "COMPOSE_PROJECT=deqfleet-test",
        `DEQFLEET_OUTPUT=${output}`,
        // Nothing can be pulled where tests run.
        `NATS_IMAGE=${natsImageName}`,
      ];
      try {
        await make("compose-demo", ...given);
        const running = await docker(
          "ps",
          "--filter",
          "label=com.docker.compose.project=deqfleet-test",
          "--format",
          '{{.Label "com.docker.compose.service"}}',
        );
        expect(running.split("\n").sort()).toEqual(["coordinator", "nats", "worker", "worker"]);
        const { outputs } = await filesBelow(join(output, "super-resolution"));
        expect(outputs).toEqual(expect.arrayContaining(samples));
      } finally {
        await make("compose-down", ...given);
        await rm(output, { recursive: true, force: true });
      }
    });
  });

  describe("a rolling upgrade", () => {
    const count = 100;
    const steps = 120;
    let folder: string;
    const inFolder = (...parts: string[]) => join(folder, ...parts);

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "deqfleet-containers-"));
      await chmod(folder, 0o755);
      for (const name of ["in", "out", "streams"]) await mkdir(inFolder(name));
      // Containers run as somebody who is unknown here.
      await chmod(inFolder("out"), 0o777);
      await cutPictures(inFolder("in"), count, 32);
    });
    afterAll(async () => {
      await rm(folder, { recursive: true, force: true });
    });

    const submit = (fleet: ContainerFleet, name: string) =>
      fleet.command(
        ...["submit", "/data/in", "--out", `/data/out/${name}`, "--name", name, "--plan", "serial"],
        ...["--task", "sr-average", "--scale", "4", "--simulate", "--steps", String(steps)],
      );

    it("loses nothing and changes nothing", { timeout: 15 * minutes }, async () => {
      const folders = { input: inFolder("in"), output: inFolder("out"), streams: inFolder("streams") };
      const fleet = await ContainerFleet.start(folders, { coordinators: 2, workers: 4 });
      try {
        await submit(fleet, "undisturbed");
        await fleet.command("watch", "undisturbed", "--json");

        await submit(fleet, "upgraded");
        let over = false;
        const done = fleet.command("watch", "upgraded", "--json").then(() => {
          over = true;
        });
        const atWork = (what: string) =>
          expect(over, `the job was over before ${what}; more pictures are needed`).toBe(false);
        const upgrade = async (berth: { name: string; replace(image: string): Promise<void> }) => {
          atWork(`${berth.name} was replaced`);
          await berth.replace(nextImageName);
        };
        const [first, second] = fleet.coordinators;
        const [w1, w2, w3, w4] = fleet.workers;
        // Longer than the fleet's silence of 3 s: whoever stands still, or is cut off, is given up and comes back.
        await Promise.all([w1.pause(5000), upgrade(first).then(() => upgrade(w2))]);
        atWork("the network of worker-3 was cut");
        await Promise.all([fleet.disconnect(w3, 5000), upgrade(second).then(() => upgrade(w4))]);
        await Promise.all([upgrade(w1), upgrade(w3)]);
        atWork("the broker was replaced");
        await fleet.broker.replace(natsImageName);
        const last = performance.now();
        await done;
        const after = ((performance.now() - last) / 1000).toFixed(0);

        for (const { container } of [...fleet.coordinators, ...fleet.workers]) {
          const format = `{{index .Config.Labels "${releaseLabel}"}}`;
          expect(await docker("inspect", "-f", format, container.getId())).toBe("next");
        }
        const lines = (await fleet.command("results", "upgraded", "--format", "jsonl")).trim().split("\n");
        const outcomes = lines.map((line) => itemOutcomeSchema.parse(JSON.parse(line)));
        expect(outcomes.filter(({ status }) => status !== "done")).toEqual([]);
        expect(new Set(outcomes.map(({ index }) => index)).size).toBe(count);
        expect(outcomes).toHaveLength(count);
        const { outputs, own } = await filesBelow(inFolder("out", "upgraded"));
        // The restored pictures, and the measured ones.
        expect(outputs).toHaveLength(2 * count);
        expect(outputs).toEqual((await filesBelow(inFolder("out", "undisturbed"))).outputs);
        expect(own.filter((file) => file.endsWith(".tmp"))).toEqual([]);
        const others = [];
        for (const output of outputs) {
          const same = await sameBytes(
            inFolder("out", "upgraded", output),
            inFolder("out", "undisturbed", output),
          );
          if (!same) others.push(output);
        }
        expect(others).toEqual([]);
        const again = outcomes.filter(({ deliveries }) => deliveries > 1).length;
        console.log(
          `${count} pictures, ${again} delivered more than once, all outputs the same to the byte; over ${after} s after the last fault`,
        );
      } catch (error) {
        for (const { name, output } of fleet.berths) console.log(`--- ${name}\n${output.slice(-3000)}`);
        throw error;
      } finally {
        await fleet.close();
      }
    });
  });
});
