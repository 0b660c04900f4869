/** What `deqfleet worker` and `deqfleet coordinator` have in common: they run until they are told to stop. */
import { InvalidArgumentError } from "commander";
import type { Console } from "./console.js";
import { type SignalSource, withInterruption } from "./interruption.js";

/** What a service needs of its surroundings. */
export interface ServiceSurroundings {
  readonly console: Console;
  readonly cwd: string;
  readonly signals: SignalSource;
}

/** A number, as commander hands it to parsers. */
export function number(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isNaN(value)) throw new InvalidArgumentError("It is no number.");
  return value;
}

/** Ends this process whatever it is doing: a plain exit would wait for a network run under way. */
export const killProcess = (): void => {
  process.kill(process.pid, "SIGKILL");
};

/** Runs until SIGTERM or SIGINT, which ask it to stop; the second one ends it at once. */
export function runService(
  { console, signals }: ServiceSurroundings,
  serve: (stop: AbortSignal) => Promise<void>,
): Promise<void> {
  const onFirst = () => console.stderr.write("deqfleet: stopping; a second signal stops at once\n");
  return withInterruption({ source: signals, onFirst, kill: killProcess }, serve);
}
