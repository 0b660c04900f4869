/** Small pictures cut from the sample photographs, and temporary folders to put them in. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp, { type Sharp } from "sharp";
import { onTestFinished } from "vitest";
import { packageRoot } from "../shared/package-root.js";

/** A folder that is removed when the test is over. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "deqfleet-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** How a small picture is made. */
export interface SmallPicture {
  readonly photo?: "astronaut" | "chelsea" | "coffee" | "rocket";
  readonly width: number;
  readonly height: number;
  /** Applied last, e.g. to make it gray. */
  readonly change?: (picture: Sharp) => Sharp;
}

/** Writes a photograph scaled to a small size; the extension decides the format. Returns the path. */
export async function smallPicture(
  path: string,
  { photo = "astronaut", width, height, change = (picture) => picture }: SmallPicture,
): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  const source = fileURLToPath(new URL(`photos/${photo}.png`, packageRoot));
  await change(sharp(source).resize({ width, height, fit: "fill" })).toFile(path);
  return path;
}
