/** Runs `deqfleet model ...` in the test's own process. */
import { EventEmitter } from "node:events";
import type { OutputStream } from "../cli/console.js";
import { main } from "../cli/main.js";

/** What the terminal of a run is like. */
export interface Terminal extends Pick<OutputStream, "isTTY" | "columns"> {
  readonly signals?: EventEmitter;
  /** Sees everything written on stderr, as it is written. */
  readonly watch?: (text: string) => void;
}

/** The exit code, and what was written. */
export async function runModel(cwd: string, args: readonly string[], terminal: Terminal = {}) {
  const { signals = new EventEmitter(), watch = () => {}, ...stream } = terminal;
  const written = { stdout: "", stderr: "" };
  const write = (name: keyof typeof written) => (text: string) => {
    written[name] += text;
    if (name === "stderr") watch(text);
  };
  const exitCode = await main(["model", ...args], {
    console: { stdout: { write: write("stdout") }, stderr: { ...stream, write: write("stderr") } },
    cwd,
    signals,
    exit: () => {},
  });
  return { exitCode, ...written };
}
