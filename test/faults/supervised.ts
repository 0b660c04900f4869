/** A program that is started again whenever it ends, as Kubernetes or systemd would, until it is told to stay down. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../../shared/package-root.js";

const program = fileURLToPath(new URL("dist/cli/main.js", packageRoot));

/** Long enough to be noticed, short enough for a suite. */
const restartMilliseconds = 500;

/** A worker has loaded its network by then. */
const upMilliseconds = 2500;

/** How a program is run. */
export interface SupervisedOptions {
  readonly name: string;
  readonly args: readonly string[];
  /** Added to this process's environment; asked for at every start. */
  readonly environment?: () => NodeJS.ProcessEnv;
}

export class Supervised {
  readonly name: string;
  readonly #options: SupervisedOptions;
  #child: ChildProcess;
  #down = false;
  #startedAt = 0;
  /** Stopped, or told to end in one way or another. */
  #struck = false;
  /** Everything printed, by all of its processes. */
  output = "";
  /** Starts after the first. */
  restarts = 0;

  constructor(options: SupervisedOptions) {
    this.name = options.name;
    this.#options = options;
    this.#child = this.#start();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  #start(): ChildProcess {
    const { args, environment = () => ({}) } = this.#options;
    const child = spawn(process.execPath, [program, ...args], {
      env: { ...process.env, ...environment() },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#startedAt = performance.now();
    this.#struck = false;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
    }
    child.once("exit", () => void this.#again());
    return child;
  }

  async #again(): Promise<void> {
    await delay(restartMilliseconds);
    if (this.#down) return;
    this.restarts++;
    this.#child = this.#start();
  }

  /** Whether it has been up for some time: a signal to one that is just starting, or gone, would be no fault. */
  get isUp(): boolean {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null || this.#struck) return false;
    return performance.now() - this.#startedAt > upMilliseconds;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends the present process, by a signal after which it is started again. */
  end(signal: NodeJS.Signals): void {
    this.#struck = true;
    this.signal(signal);
  }

  /** SIGSTOP, and SIGCONT after a while: it is there, but says nothing. */
  async stall(milliseconds: number): Promise<void> {
    const stalled = this.#child;
    this.#struck = true;
    stalled.kill("SIGSTOP");
    await delay(milliseconds);
    stalled.kill("SIGCONT");
    if (stalled === this.#child) this.#struck = false;
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    this.#down = true;
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
}
