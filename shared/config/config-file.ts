/** Configuration files: the options of a run as YAML, strict about names. */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import { DeqfleetError, InputError } from "../errors.js";
import { checkOptions, type RestoreOptions } from "./restore-settings.js";

const camelCase = (name: string): string =>
  name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

const pathOptions = ["out", "mask", "model", "report"] as const satisfies readonly (keyof RestoreOptions)[];

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
 * @throws InputError if the file cannot be read, is no mapping, or an option is unknown, given twice or wrong
 */
export async function readConfigFile(file: string): Promise<RestoreOptions> {
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
  const options = checkOptions(Object.fromEntries(given), (option) => `--config ${file}: "${option}"`);
  for (const name of pathOptions) {
    const path = options[name];
    if (path !== undefined) options[name] = resolve(dirname(file), path);
  }
  return options;
}
