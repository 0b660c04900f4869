/** Arguments of the `model` commands, as commander hands them to parsers. */
import { InvalidArgumentError, Option } from "commander";
import type { EvaluationSize } from "../shared/onnx/multiply-adds.js";

/** A number. */
export function number(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError("It is no number.");
  return value;
}

/** A whole number of 1 or more. */
export function count(text: string): number {
  const value = number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError("It is no whole number of 1 or more.");
  }
  return value;
}

/** `256` for a square, or `HxW`. */
export function pictureSize(text: string): Required<Pick<EvaluationSize, "height" | "width">> {
  const found = /^(\d+)(?:x(\d+))?$/.exec(text.trim());
  if (found === null) throw new InvalidArgumentError("Give one side, as in 256, or HxW, as in 256x384.");
  return { height: count(found[1]), width: count(found[2] ?? found[1]) };
}

/** A flag with a closed set of words. */
export const choice = (flags: string, text: string, words: readonly string[]): Option =>
  new Option(flags, text).choices([...words]);
