/** Checks of parsed YAML and JSON documents against zod schemas, with errors that name file, key and value. */
import type { z } from "zod";
import { InputError } from "../errors.js";

const valueAt = (document: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (at, key) => (typeof at === "object" && at !== null ? Reflect.get(at, key) : undefined),
    document,
  );

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? "missing";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
};

/**
 * The document as the schema's type.
 * @param source the file, for the message
 * @throws InputError naming file, key and value, and what is expected there
 */
export function parseDocument<Schema extends z.ZodType>(
  schema: Schema,
  document: unknown,
  source: string,
): z.infer<Schema> {
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  if (issue.code === "unrecognized_keys") {
    const [key] = issue.keys;
    const at = [...issue.path, key];
    throw new InputError(
      `${source}: ${at.join(".")}: ${shown(valueAt(document, at))} is no known setting; remove it or mend its name`,
    );
  }
  const key = issue.path.length > 0 ? issue.path.join(".") : "the document";
  throw new InputError(`${source}: ${key}: ${shown(valueAt(document, issue.path))}: ${issue.message}`);
}
