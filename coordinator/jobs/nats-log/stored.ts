/** Values as the broker keeps them: JSON, checked against a schema when it is read. */
import { JSONCodec } from "nats";
import { z } from "zod";
import { DeqfleetError, FatalError } from "../../../shared/errors.js";

/** To and from the bytes of a message. */
export const json = JSONCodec<unknown>();

/** @param what for the error: "the job photos". @throws FatalError if this version does not know the value */
export function parsed<Value>(schema: z.ZodType<Value>, data: Uint8Array, what: string): Value {
  let found: unknown;
  try {
    found = json.decode(data);
  } catch (cause) {
    throw new FatalError(
      `NATS holds ${what} as something that is no JSON: ${DeqfleetError.messageOf(cause)}`,
      {
        cause,
      },
    );
  }
  const { success, data: value, error } = schema.safeParse(found);
  if (success) return value;
  throw new FatalError(
    `NATS holds ${what} of another version (${z.prettifyError(error)}): only a coordinator of that version, or a later one, can use it`,
  );
}
