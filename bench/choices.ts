/** What a benchmark's flags choose: comma-separated lists of names and numbers. */
import { InputError } from "../shared/errors.js";
import type { TaskSettings } from "../shared/operators/task.js";
import { photoTasks } from "./photo-chain.js";

/**
 * The names listed in `text`; `all` stands for every known one.
 * @throws InputError if one is not known
 */
export function chosen<Name extends string>(flag: string, text: string, known: readonly Name[]): Name[] {
  if (text === "all") return [...known];
  return text.split(",").map((given) => {
    const name = known.find((candidate) => candidate === given);
    if (name === undefined) throw new InputError(`${flag} ${given}: choose from ${known.join(", ")}, or all`);
    return name;
  });
}

/**
 * The whole numbers from 1 up listed in `text`.
 * @throws InputError if one is none
 */
export function chosenNumbers(flag: string, text: string): number[] {
  return text.split(",").map((given) => {
    const number = Number(given);
    if (!Number.isInteger(number) || number < 1) {
      throw new InputError(`${flag} ${given}: give whole numbers from 1 up, separated by commas`);
    }
    return number;
  });
}

/**
 * The tasks listed in `text`, with their default settings.
 * @throws InputError if one is not known
 */
export function chosenTasks(flag: string, text: string): TaskSettings[] {
  const names = photoTasks.map(({ task }) => task);
  return chosen(flag, text, names).map((name) => photoTasks.find(({ task }) => task === name)!);
}
