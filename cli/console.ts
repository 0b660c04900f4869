/** Where the program writes, as a parameter: the process's own streams, or a test's. */
import { DeqfleetError } from "../shared/errors.js";

/** What the program needs of a stream. */
export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** The two streams of a command. */
export interface Console {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
}

/** One line, whatever the message contains. */
const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, " ").trim();

/** Writes `deqfleet: message` on stderr, with the stack if it is asked for. */
export function printError({ stderr }: Console, error: unknown, debug: boolean): void {
  stderr.write(`deqfleet: ${oneLine(DeqfleetError.messageOf(error))}\n`);
  if (debug && error instanceof Error) stderr.write(`${error.stack ?? ""}\n`);
}
