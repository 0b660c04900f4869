/** `deqfleet worker` and `deqfleet coordinator` as processes of their own, as users start them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../shared/package-root.js";

const program = fileURLToPath(new URL("dist/cli/main.js", packageRoot));

/** A running program and what it has printed. */
export class ServiceProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown[]>;
  #output = "";
  #onOutput: () => void = () => {};

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = once(child, "exit");
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#output += text;
        this.#onOutput();
      });
    }
  }

  static start(...args: string[]): ServiceProcess {
    return ServiceProcess.startWith({}, ...args);
  }

  /** @param environment added to this process's */
  static startWith(environment: NodeJS.ProcessEnv, ...args: string[]): ServiceProcess {
    const env = { ...process.env, ...environment };
    // A coordinator keeps its jobs where it is started, if it is told nothing else: each has a place of its own.
    const cwd = mkdtempSync(join(tmpdir(), "deqfleet-service-"));
    const child = spawn(process.execPath, [program, ...args], {
      cwd,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.once("exit", () => rmSync(cwd, { recursive: true, force: true }));
    return new ServiceProcess(child);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Everything printed so far. */
  get output(): string {
    return this.#output;
  }

  /** Waits until what was printed matches. @returns the match */
  async prints(pattern: RegExp, milliseconds = 60_000): Promise<RegExpExecArray> {
    const deadline = Date.now() + milliseconds;
    for (;;) {
      const found = pattern.exec(this.#output);
      if (found) return found;
      const left = deadline - Date.now();
      if (left <= 0 || this.#child.exitCode !== null) {
        throw new Error(`never printed ${pattern}; printed:\n${this.#output}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 500));
        this.#onOutput = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Sends a signal. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits for the end. @returns the exit code, or the signal that ended it */
  async ended(): Promise<number | NodeJS.Signals> {
    const [code, signal] = (await this.#exited) as [number | null, NodeJS.Signals | null];
    return code ?? signal ?? 0;
  }

  /** Ends it, if it still runs. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await this.#exited;
  }
}
