/** A real nats-server in a container, from an image built here: the static binary on nothing else. */
import { execFileSync } from "node:child_process";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GenericContainer, Wait } from "testcontainers";
import "./docker.js";

const clientPort = 4222;

/** Prints the path of a binary that needs no library, as an image from scratch has none. */
const script = fileURLToPath(new URL("../scripts/install-nats-server.js", import.meta.url));

/** Builds the image; a second build finds everything in the cache. */
export async function natsImage(): Promise<GenericContainer> {
  const folder = await mkdtemp(join(tmpdir(), "deqfleet-nats-image-"));
  try {
    const binary = execFileSync(process.execPath, [script, "--static"], { encoding: "utf8" }).trim();
    await copyFile(binary, join(folder, "nats-server"));
    await writeFile(
      join(folder, "Dockerfile"),
      'FROM scratch\nCOPY nats-server /nats-server\nVOLUME /data\nENTRYPOINT ["/nats-server"]\n',
    );
    return await GenericContainer.fromDockerfile(folder).build("deqfleet-test/nats", { deleteOnExit: false });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Starts it with JetStream. */
export async function startNatsContainer(): Promise<{ readonly url: string; close(): Promise<void> }> {
  const image = await natsImage();
  const container = await image
    .withCommand(["-js", "-sd", "/data"])
    .withExposedPorts(clientPort)
    // There is no shell in it that could look at its ports.
    .withWaitStrategy(Wait.forLogMessage(/Server is ready/))
    .start();
  return {
    url: `nats://${container.getHost()}:${container.getMappedPort(clientPort)}`,
    close: async () => {
      await container.stop();
    },
  };
}
