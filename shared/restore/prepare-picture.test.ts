import { readFile } from "node:fs/promises";
import { join } from "node:path";
import sharp, { type Sharp } from "sharp";
import { describe, expect, it } from "vitest";
import { type SmallPicture, smallPicture, temporaryFolder } from "../../test/small-pictures.js";
import type { NetworkCard } from "../chain/network-card.js";
import { type RestoreOptions, resolveRestoreSettings } from "../config/restore-settings.js";
import { PictureError } from "../errors.js";
import { decodePicture, decodePictureBytes } from "../pictures/decode.js";
import { readMask } from "../pictures/mask.js";
import { cropTo } from "../pictures/pad.js";
import { CanvasOperators, canvasFor } from "./canvas.js";
import { finishPicture, measurementFile } from "./finish-picture.js";
import { preparePicture } from "./prepare-picture.js";

const network: NetworkCard = { hash: "0", sizeMultiple: 8, fixedSize: undefined };

/** Prepares one picture, and finishes it with A^+ y in place of a restored picture. */
async function prepare(name: string, picture: SmallPicture, options: RestoreOptions) {
  const folder = await temporaryFolder();
  const input = await smallPicture(join(folder, name), picture);
  const out = join(folder, "out");
  const settings = resolveRestoreSettings(
    [input],
    { out, ...options },
    {},
    { cwd: folder, defaultModel: "m" },
  );
  const mask = settings.mask === null ? undefined : await readMask(settings.mask);
  const operators = new CanvasOperators(settings.task, network, mask);
  const prepared = await preparePicture(
    { path: input, bytes: await readFile(input), pictureId: name },
    settings,
    operators,
  );
  return {
    prepared,
    save: async () => decodePictureBytes(await measurementFile("m.png", prepared, settings.task), "m.png"),
    finish: async () => {
      const { file, judgement } = await finishPicture(name, prepared, prepared.chain.pseudoInverse);
      return { ...judgement, restored: await decodePictureBytes(file, name) };
    },
  };
}

const seeThrough = (picture: Sharp): Sharp => picture.ensureAlpha(0.5);

describe("canvasFor", () => {
  const sr = { task: "sr-average", scale: 3 } as const;

  it("suits network and operator", () => {
    expect(canvasFor({ height: 33, width: 50 }, sr, network)).toEqual({ height: 48, width: 72 });
    expect(canvasFor({ height: 33, width: 50 }, { task: "colorize" }, network)).toEqual({
      height: 40,
      width: 56,
    });
  });

  it("is the network's size where that is fixed", () => {
    const fixed = { ...network, fixedSize: { height: 64, width: 64 } };
    expect(canvasFor({ height: 33, width: 50 }, { task: "colorize" }, fixed)).toEqual(fixed.fixedSize);
    expect(() => canvasFor({ height: 33, width: 65 }, { task: "colorize" }, fixed)).toThrow(/65x33.*64x64/);
  });
});

describe("preparePicture", () => {
  it("takes a small picture as the measurement of a larger one of any size", async () => {
    const picture = { width: 9, height: 13 };
    const { prepared, finish } = await prepare("a.png", picture, { task: "sr-average" });
    expect(prepared).toMatchObject({ size: { width: 36, height: 52 }, original: undefined });
    expect(prepared.chain).toMatchObject({ pictureId: "a.png", canvas: { width: 40, height: 56 } });
    const { restored, consistency, psnr } = await finish();
    expect(restored.shape).toEqual({ channels: 3, width: 36, height: 52 });
    expect(consistency).toBeLessThan(1e-6);
    expect(psnr).toBeNull();
  });

  it("keeps 16 bits and transparency, enlarging it with the picture", async () => {
    const change = (picture: Sharp) => seeThrough(picture).toColourspace("rgb16");
    const { prepared, finish } = await prepare(
      "a.png",
      { width: 8, height: 8, change },
      { task: "sr-average" },
    );
    expect(prepared.alpha).toHaveLength(32 * 32);
    const { restored } = await finish();
    expect(restored.bitDepth).toBe(16);
    expect(restored.alpha!.every((a) => Math.abs(a - 0.5) < 0.01)).toBe(true);
  });

  it("copies transparency where the size stays", async () => {
    const { finish } = await prepare(
      "a.webp",
      { width: 20, height: 20, change: seeThrough },
      { task: "deblur-gauss" },
    );
    const { restored } = await finish();
    expect(restored.bitDepth).toBe(8);
    expect(restored.alpha!.every((a) => Math.abs(a - 0.5) < 0.01)).toBe(true);
  });

  it("takes gray pictures, and the channel mean of colour pictures, as measurements of colour", async () => {
    const size = { width: 16, height: 16 };
    const gray = await prepare(
      "a.png",
      { ...size, change: (p) => p.toColourspace("b-w") },
      { task: "colorize" },
    );
    const { restored, consistency } = await gray.finish();
    expect(restored.shape.channels).toBe(3);
    expect(consistency).toBeLessThan(1e-6);
    const colour = await prepare("a.png", size, { task: "colorize" });
    const { values } = await decodePicture(await smallPicture(join(await temporaryFolder(), "a.png"), size));
    const mean = 0.3333 * values[5]! + 0.3334 * values[256 + 5]! + 0.3333 * values[512 + 5]!;
    expect(colour.prepared.measurement[5]).toBeCloseTo(mean, 6);
  });

  it("ignores what stands in missing pixels, and keeps the known ones", async () => {
    const folder = await temporaryFolder();
    const mask = join(folder, "mask.png");
    const known = Buffer.from(Array.from({ length: 20 * 12 }, (_, i) => (i % 20 < 7 ? 255 : 0)));
    await sharp(known, { raw: { width: 20, height: 12, channels: 1 } }).toFile(mask);
    const options = { task: "inpaint", mask } as const;
    const { prepared, finish } = await prepare("a.png", { width: 20, height: 12 }, options);
    expect(prepared.chain.canvas).toEqual({ width: 24, height: 16 });
    const { values } = (await finish()).restored;
    const first = cropTo(
      prepared.measurement,
      { channels: 3, width: 24, height: 16 },
      { width: 20, height: 12 },
    );
    expect(first[7]).toBe(0);
    expect(values[6]).toBeCloseTo(first[6]!, 6);
    const other = prepare("a.png", { width: 21, height: 12 }, options);
    await expect(other).rejects.toThrow(/mask is 20x12.*21x12/);
  });

  it("refuses results above the pixel limit", async () => {
    const tooLarge = prepare("a.png", { width: 20, height: 20 }, { task: "sr-average", maxPixels: 6000 });
    await expect(tooLarge).rejects.toThrow(PictureError);
    await expect(tooLarge).rejects.toThrow(/80x80 = 6400.*--max-pixels/);
  });
});

describe("compressed sensing", () => {
  const sensed = async (out: string, picture: SmallPicture) => {
    const path = await smallPicture(join(out, "a.png"), picture);
    const options = { out, task: "cs-hadamard", ratio: 0.25, simulate: true } as const;
    const settings = resolveRestoreSettings([out], options, {}, { cwd: out, defaultModel: "m" });
    const operators = new CanvasOperators(settings.task, network, undefined);
    const input = { path, bytes: await readFile(path), pictureId: "a.png" };
    const prepared = await preparePicture(input, settings, operators);
    const bytes = await measurementFile("a.safetensors", prepared, settings.task);
    const saved = { path: "a.safetensors", bytes, pictureId: "a.png" };
    const prepareSaved = (changed: RestoreOptions) => {
      const given = { ...options, simulate: false, ...changed };
      const again = resolveRestoreSettings([out], given, {}, { cwd: out, defaultModel: "m" });
      return preparePicture(saved, again, new CanvasOperators(again.task, network, undefined));
    };
    return { prepared, prepareSaved };
  };

  it("restores saved measurements to the same chain", async () => {
    const { prepared, prepareSaved } = await sensed(await temporaryFolder(), { width: 32, height: 16 });
    const again = await prepareSaved({});
    expect(again.chain).toEqual(prepared.chain);
    expect(again.size).toEqual({ width: 32, height: 16 });
    expect(again.original).toBeUndefined();
  });

  it("refuses measurements made with other settings", async () => {
    const { prepareSaved } = await sensed(await temporaryFolder(), { width: 32, height: 16 });
    await expect(prepareSaved({ ratio: 0.5 })).rejects.toThrow(/--ratio 0.25.*run's is 0.5/);
    await expect(prepareSaved({ permutationSeed: 9 })).rejects.toThrow(/--permutation-seed 0/);
    await expect(prepareSaved({ maxPixels: 100 })).rejects.toThrow(/--max-pixels/);
  });

  it("takes no padding", async () => {
    const folder = await temporaryFolder();
    await expect(sensed(folder, { width: 33, height: 32 })).rejects.toThrow(/cannot be padded/);
    await expect(sensed(folder, { width: 24, height: 32 })).rejects.toThrow(/powers of two/);
  });
});

describe("a simulation", () => {
  it("pads the clean picture and saves the measurement without the padding", async () => {
    const options = { task: "sr-average", scale: 3, simulate: true } as const;
    const { prepared, save, finish } = await prepare("a.png", { width: 33, height: 30 }, options);
    expect(prepared.chain.canvas).toEqual({ width: 48, height: 48 });
    const saved = await save();
    expect(saved).toMatchObject({ bitDepth: 16, shape: { width: 11, height: 10 } });
    const block = [0, 1, 2, 33, 34, 35, 66, 67, 68].map((i) => prepared.original![i]!);
    expect(saved.values[0]).toBeCloseTo(block.reduce((a, b) => a + b) / 9, 4);
    const { psnr, ssim } = await finish();
    expect(psnr).toBeGreaterThan(10);
    expect(ssim).toBeLessThan(1);
  });

  it("has a gray measurement for colorization", async () => {
    const { save } = await prepare("a.png", { width: 16, height: 16 }, { task: "colorize", simulate: true });
    expect((await save()).gray).toBe(true);
  });
});
