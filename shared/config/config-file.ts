/** Configuration files of `deqfleet restore`. */
import { readOptionsFile } from "./options.js";
import { type RestoreOptions, restoreOptionsSchema } from "./restore-settings.js";

/**
 * Reads the options of a run from a YAML file.
 * @throws InputError if the file cannot be read, is no mapping, or an option is unknown, given twice or wrong
 */
export const readConfigFile = (file: string): Promise<RestoreOptions> =>
  readOptionsFile(file, restoreOptionsSchema, ["out", "mask", "model", "report"]);
