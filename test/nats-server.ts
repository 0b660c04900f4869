/** A real nats-server with JetStream, on a free port, its files in a temporary folder. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A broker, however it is run. */
export interface NatsServer {
  /** `nats://127.0.0.1:PORT`; the same after {@link restart}. */
  readonly url: string;
  readonly pid: number;
  /** SIGKILL. Resolves once it is gone. */
  kill(): Promise<void>;
  /** Starts it again, on the same files, after it was killed. */
  restart(): Promise<void>;
  /** SIGSTOP and SIGCONT: connections stay, nothing is answered. */
  stop(): void;
  goOn(): void;
  /** Ends it for good and removes its files. */
  close(): Promise<void>;
}

/** The binary, built if need be: see the script. */
function binary(): string {
  const script = fileURLToPath(new URL("../scripts/install-nats-server.js", import.meta.url));
  return execFileSync(process.execPath, [script], { encoding: "utf8" }).trim();
}

/** Starts the process and waits until it takes connections. @returns also its port */
async function start(folder: string, port: number, options: readonly string[]) {
  const args = ["-sd", folder, "-a", "127.0.0.1", "-p", String(port), ...options];
  const child = spawn(binary(), args, { stdio: ["ignore", "ignore", "pipe"] });
  const lines: string[] = [];
  let found = port;
  for await (const line of createInterface({ input: child.stderr })) {
    lines.push(line);
    const [, listening] = /Listening for client connections on .*:(\d+)/.exec(line) ?? [];
    if (listening !== undefined) found = Number(listening);
    if (line.includes("Server is ready")) {
      child.stderr.resume();
      return { child, port: found };
    }
  }
  throw new Error(`nats-server did not start:\n${lines.join("\n")}`);
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

/** @param args further arguments, e.g. `["--auth", "secret"]` */
export async function startNatsServer(
  args: readonly string[] = [],
  { jetstream = true }: { readonly jetstream?: boolean } = {},
): Promise<NatsServer> {
  const options = jetstream ? ["-js", ...args] : args;
  const folder = await mkdtemp(join(tmpdir(), "deqfleet-nats-"));
  // Port -1: a free one.
  let { child, port } = await start(folder, -1, options);
  return {
    url: `nats://127.0.0.1:${port}`,
    get pid() {
      return child.pid ?? 0;
    },
    kill: () => killed(child),
    restart: async () => {
      ({ child } = await start(folder, port, options));
    },
    stop: () => child.kill("SIGSTOP"),
    goOn: () => child.kill("SIGCONT"),
    close: async () => {
      await killed(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Servers of one cluster, each with its own files. */
export async function startNatsCluster(count: number): Promise<NatsServer[]> {
  const ports = await Promise.all(Array.from({ length: count }, freePort));
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`);
  return Promise.all(
    routes.map((route, i) =>
      startNatsServer([
        ...["--server_name", `server-${i}`, "--cluster_name", "test"],
        ...["--cluster", route, "--routes", routes.join(",")],
      ]),
    ),
  );
}
