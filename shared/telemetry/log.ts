/** Structured logs of the long-lived processes: one JSON object a line on stderr, with the ids that tie lines together. */
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from "pino";

export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * A log. Fields that lines share go into a child: `log.child({ job, picture, round })`. Times are ISO 8601, `error` fields are
 * written with message, kind and stack.
 */
export type Log = Logger;

/** Fields that hold secrets wherever they stand; their values are never written. */
const secrets = [
  "password",
  "token",
  "tokens",
  "authorization",
  "secretAccessKey",
  "sessionToken",
  "pass",
  "nkey",
  "creds",
];

/** Both at the top and one level below, which is as deep as our lines are. */
const redacted = secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

/**
 * Opens the log of a process.
 * @param role what the process is: `coordinator` or `worker`
 * @param name of this one among its like
 * @param stream where lines go; default: stderr, written at once, so that nothing is lost with a process that dies
 */
export function openLog(
  { role, name, level }: { readonly role: string; readonly name: string; readonly level: LogLevel },
  stream: DestinationStream = destination({ dest: 2, sync: true }),
): Log {
  return pino(
    {
      level,
      base: { role, name, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      errorKey: "error",
      redact: { paths: redacted, censor: "(secret)" },
    },
    stream,
  );
}

/** A log that writes nothing. */
export const silentLog: Log = pino({ level: "silent" });
