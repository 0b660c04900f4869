/** Options as users write them, on the command line or in a configuration file: checked one by one, flags before files. */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { DeqfleetError, InputError } from "../errors.js";

/** `maxRounds` -> `--max-rounds`. */
export const flagOf = (option: string): string =>
  `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

const camelCase = (name: string): string =>
  name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** A number of seconds above 0, up to a day. */
export const secondsSchema = z.number().gt(0).max(86_400);

/** A strict object of optional options. */
type OptionsSchema<Options> = z.ZodType<Options> & { readonly shape: Readonly<Record<string, unknown>> };

/**
 * Checks options one by one.
 * @param nameOf how messages call an option
 * @throws InputError naming the first option that is wrong, its value and what is allowed
 */
export function checkOptionsOf<Options>(
  schema: OptionsSchema<Options>,
  options: Readonly<Record<string, unknown>>,
  nameOf: (option: string) => string,
): Options {
  const checked = schema.safeParse(options);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  if (issue.code === "unrecognized_keys" && issue.path.length === 0) {
    const names = Object.keys(schema.shape).join(", ");
    throw new InputError(`${nameOf(issue.keys[0]!)} is no option; known are ${names}`);
  }
  const { within, value } = refusedIn(options, issue.path);
  const where = [nameOf(String(issue.path[0])), ...within].join(" ");
  if (issue.code === "unrecognized_keys") {
    throw new InputError(`${where}: ${issue.keys.map((key) => `"${key}"`).join(", ")} is no setting`);
  }
  if (value === undefined) throw new InputError(`${where} is missing`);
  const said = issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
  throw new InputError(`${where} ${shown(value)}: ${said}`);
}

/**
 * What was refused, as it was given: a text may stand for a group of settings, which have paths of their own.
 * @returns its path within the option, as far as it was given, and its value
 */
function refusedIn(
  options: Readonly<Record<string, unknown>>,
  [option, ...path]: readonly PropertyKey[],
): { readonly within: readonly string[]; readonly value: unknown } {
  let value = options[String(option)];
  const within: string[] = [];
  for (const key of path) {
    if (typeof value !== "object" || value === null) break;
    within.push(String(key));
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return { within, value };
}

/** A refused value as a message may show it: of groups of settings only the names, of addresses no user and password. */
function shown(value: unknown): string {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return `{${Object.keys(value).join(", ")}}`;
  }
  return JSON.stringify(value).replace(/(:\/\/)[^\s"]*@/g, "$1...@");
}

async function readYaml(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new InputError(`--config ${file} cannot be read: ${DeqfleetError.messageOf(cause)}`, { cause });
  }
  try {
    return parse(text);
  } catch (cause) {
    // The parser's message goes on with an excerpt of the file over several lines.
    const [reason] = DeqfleetError.messageOf(cause).split("\n");
    throw new InputError(`--config ${file} is no valid YAML: ${reason}`, { cause });
  }
}

/**
 * Reads the options in a YAML file. Names are those of the flags, in camelCase or kebab-case; relative paths start from
 * the file's own folder, so that a file means the same wherever the command is run.
 * @param pathOptions options whose values are paths
 * @throws InputError if the file cannot be read, is no mapping, or an option is unknown, given twice or wrong
 */
export async function readOptionsFile<Options extends object>(
  file: string,
  schema: OptionsSchema<Options>,
  pathOptions: readonly (keyof Options & string)[],
): Promise<Options> {
  const content = (await readYaml(file)) ?? {};
  if (typeof content !== "object" || Array.isArray(content)) {
    throw new InputError(`--config ${file}: expected a mapping of option names to values`);
  }
  const given = new Map<string, unknown>();
  for (const [name, value] of Object.entries(content)) {
    const option = camelCase(name);
    if (given.has(option)) throw new InputError(`--config ${file}: "${name}" is given twice; keep one`);
    given.set(option, value);
  }
  const options = checkOptionsOf(
    schema,
    Object.fromEntries(given),
    (option) => `--config ${file}: "${option}"`,
  );
  const paths = pathOptions.flatMap((name) => {
    const path = options[name];
    return typeof path === "string" ? [[name, resolve(dirname(file), path)]] : [];
  });
  return { ...options, ...Object.fromEntries(paths) };
}
