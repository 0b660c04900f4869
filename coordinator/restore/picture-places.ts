/** Which files a run reads and writes, settled before the first of them is touched. */
import { realpath } from "node:fs/promises";
import { extname, join } from "node:path";
import type { RestoreSettings } from "../../shared/config/restore-settings.js";
import { InputError } from "../../shared/errors.js";
import { discoverPictures } from "../../shared/pictures/discover.js";
import { outputName } from "../../shared/pictures/encode.js";
import { measurementExtension } from "../../shared/pictures/picture-format.js";

/** The files of one picture. Paths are absolute. */
export interface PicturePlace {
  readonly input: string;
  readonly output: string;
  /** Where the degraded picture of a simulation is saved; undefined without simulation. */
  readonly measurement: string | undefined;
  /** Identifies the picture in its dataset. */
  readonly relativePath: string;
}

/** Sub-folder of the output folder for simulated measurements. */
export const measurementFolder = "measurements";

/** Where the contact sheet of a run is written. */
export const contactSheetPath = (out: string): string => join(out, "contact-sheet.png");

/** A measurement keeps the picture's name; it is a 16-bit PNG, or a measurement file where it is no picture. */
export function measurementName(relativePath: string, task: string): string {
  const extension = task === "cs-hadamard" ? measurementExtension : ".png";
  return relativePath.slice(0, relativePath.length - extname(relativePath).length) + extension;
}

const canonical = (path: string): Promise<string> => realpath(path).catch(() => path);

/** Refuses files that would be written twice, or over something the run reads. */
async function checkPlaces(places: readonly PicturePlace[], settings: RestoreSettings): Promise<void> {
  const read = new Set(await Promise.all(places.map(({ input }) => canonical(input))));
  if (settings.mask !== null) read.add(await canonical(settings.mask));
  const writers = new Map<string, string>([[settings.report, "the report"]]);
  if (settings.contactSheet) writers.set(contactSheetPath(settings.out), "the contact sheet");
  for (const place of places) {
    for (const written of [place.output, place.measurement]) {
      if (written === undefined) continue;
      const other = writers.get(written);
      if (other !== undefined) {
        throw new InputError(
          `${place.input} and ${other} would both be written to ${written}; rename the input`,
        );
      }
      writers.set(written, place.input);
    }
  }
  for (const written of writers.keys()) {
    if (read.has(await canonical(written))) {
      throw new InputError(`${written} would be written over an input; choose another --out`);
    }
  }
}

/**
 * Finds the pictures of a run and settles where their results go, in the order of their relative paths.
 * @param cwd folder that relative inputs start from
 * @throws InputError if an input is missing or empty, or two files of the run would be the same
 */
export async function findPlaces(settings: RestoreSettings, cwd: string): Promise<PicturePlace[]> {
  const { inputs, out, simulate, task } = settings;
  const sources = await discoverPictures(inputs, {
    measurements: task.task === "cs-hadamard" && !simulate,
    exclude: out,
    cwd,
  });
  const places = sources.map(({ path, relativePath }) => ({
    input: path,
    output: join(out, outputName(relativePath)),
    measurement: simulate
      ? join(out, measurementFolder, measurementName(relativePath, task.task))
      : undefined,
    relativePath,
  }));
  await checkPlaces(places, settings);
  return places;
}
