/** A real S3 server (versitygw) on a free port, its objects in a temporary folder. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** A listening server. */
export interface S3Server {
  readonly endpoint: string;
  /** The SDK's environment variables for it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where the objects of a bucket lie, to change them behind its back. */
  folderOf(bucket: string): string;
  makeBucket(bucket: string): Promise<void>;
  /** Ends it; `restart` starts it again on the same port and objects. */
  stop(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

const environment = {
  AWS_ACCESS_KEY_ID: "deqfleet-test",
  AWS_SECRET_ACCESS_KEY: "deqfleet-test-secret",
} as const;

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address ? address.port : 0;
}

export async function startS3Server(): Promise<S3Server> {
  const script = fileURLToPath(new URL("../scripts/install-versitygw.js", import.meta.url));
  const binary = execFileSync(process.execPath, [script], { encoding: "utf8" }).trim();
  const folder = await mkdtemp(join(tmpdir(), "deqfleet-s3-"));
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const start = async () => {
    const child = spawn(binary, ["--port", `127.0.0.1:${port}`, "posix", folder], {
      env: {
        ...process.env,
        ROOT_ACCESS_KEY: environment.AWS_ACCESS_KEY_ID,
        ROOT_SECRET_KEY: environment.AWS_SECRET_ACCESS_KEY,
      },
      stdio: "ignore",
    });
    for (let tries = 0; tries < 200; tries++) {
      // Any answer will do: it is refused, since it is not signed.
      if (await fetch(endpoint).catch(() => undefined)) return child;
      await delay(50);
    }
    throw new Error(`versitygw does not answer on ${endpoint}`);
  };
  let child = await start();
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };
  return {
    endpoint,
    environment,
    folderOf: (bucket) => join(folder, bucket),
    makeBucket: async (bucket) => {
      await mkdir(join(folder, bucket));
    },
    stop,
    restart: async () => {
      child = await start();
    },
    close: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
