/** Many small pictures, and how sets of restored ones compare. */
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { packageRoot } from "../../shared/package-root.js";
import { qualityAgainst } from "../../shared/pictures/metrics.js";
import { seededValues } from "../seeded-values.js";

const photos = ["astronaut", "chelsea", "coffee", "rocket"] as const;

/** Cuts pieces of the sample photographs, each from another place, into `folder`, some in sub-folders. */
export async function cutPictures(folder: string, count: number, side: number): Promise<void> {
  const where = seededValues(2 * count, 11);
  for (let i = 0; i < count; i++) {
    const source = sharp(fileURLToPath(new URL(`photos/${photos[i % photos.length]}.png`, packageRoot)));
    const { width, height } = await source.metadata();
    // Pieces twice as large, halved: they show more than pieces of one object.
    const at = (value: number, room: number) => Math.floor(((value + 1) / 2) * (room - 2 * side));
    const [left, top] = [at(where[2 * i], width), at(where[2 * i + 1], height)];
    const place = join(folder, `shelf-${i % 7}`);
    await mkdir(place, { recursive: true });
    await source
      .extract({ left, top, width: 2 * side, height: 2 * side })
      .resize(side, side)
      .removeAlpha()
      .toFile(join(place, `piece-${String(i).padStart(3, "0")}.png`));
  }
}

/** All files below a folder by relative path, files of the program's own (names with a leading dot) apart. */
export async function filesBelow(folder: string): Promise<{ outputs: string[]; own: string[] }> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
  const isOwn = (name: string) => name.split("/").some((part) => part.startsWith("."));
  return { outputs: names.filter((name) => !isOwn(name)), own: names.filter(isOwn) };
}

async function pixels(path: string) {
  const { data, info } = await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const plane = info.width * info.height;
  const values = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i++)
    for (let c = 0; c < 3; c++) values[c * plane + i] = data[3 * i + c] / 127.5 - 1;
  return { values, shape: { channels: 3, height: info.height, width: info.width } };
}

/** Whether two files hold the same bytes. */
export const sameBytes = async (a: string, b: string): Promise<boolean> =>
  (await readFile(a)).equals(await readFile(b));

/** PSNR of one picture file against another, dB; Infinity where they are the same. */
export async function distanceInDecibels(path: string, reference: string): Promise<number> {
  if (await sameBytes(path, reference)) return Number.POSITIVE_INFINITY;
  const [found, wanted] = [await pixels(path), await pixels(reference)];
  return qualityAgainst(wanted.values, found.values, wanted.shape).psnr;
}
