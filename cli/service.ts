/** What `deqfleet worker` and `deqfleet coordinator` have in common: they run until they are told to stop, and tell what happens. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { logFormats, type ProcessSettings } from "../shared/config/process-settings.js";
import { type Log, logLevels, openLog } from "../shared/telemetry/log.js";
import { startTracing } from "../shared/telemetry/tracing.js";
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

/** Adds the flags of whoever takes part in mutual TLS. */
export function withTlsFlags(command: Command): Command {
  return command
    .option(
      "--tls-ca <file>",
      "PEM: authorities whose peers are trusted; with the next two, connections within the fleet are mutual TLS",
    )
    .option("--tls-cert <file>", "PEM: this process's certificate")
    .option("--tls-key <file>", "PEM: its key")
    .option(
      "--tls-server-name <name>",
      "name that peers' certificates carry (default: the host that is dialled)",
    );
}

/** Adds the flags that all services take. */
export function withProcessFlags(command: Command): Command {
  return withTlsFlags(command)
    .addOption(
      new Option("--log <format>", "what is printed: lines, or JSON objects (default: text)").choices(
        logFormats,
      ),
    )
    .addOption(
      new Option("--log-level <level>", "with --log json: how much (default: info)").choices(logLevels),
    )
    .option("--traces <url>", "where OpenTelemetry traces go, OTLP over HTTP (default: nowhere)")
    .option("--config <file>", "YAML file with any of these options; the command line wins");
}

/** Tells what happens. @param fields ids and values for those who read logs by program */
export type Tell = (
  line: string,
  fields?: Readonly<Record<string, unknown>>,
  level?: "debug" | "info" | "warn" | "error",
) => void;

/** What a service tells, as lines for people (all but `debug`) or as a structured log. */
export function teller(
  { stdout }: Console,
  settings: ProcessSettings,
  role: "coordinator" | "worker",
  name: string,
  log: Log = openLog({ role, name, level: settings.logLevel }),
): Tell {
  if (settings.log === "json") return (line, fields = {}, level = "info") => log[level](fields, line);
  const who = role === "worker" ? `${role} ${name}` : role;
  return (line, _fields, level) => {
    if (level !== "debug") stdout.write(`deqfleet ${who}: ${line}\n`);
  };
}

/** Runs with traces, if they are asked for; what is left of them is sent at the end. */
export async function withTraces(
  { traces }: ProcessSettings,
  role: string,
  name: string,
  work: () => Promise<void>,
): Promise<void> {
  const flush = traces === null ? undefined : await startTracing({ endpoint: traces, role, name });
  try {
    await work();
  } finally {
    await flush?.();
  }
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
