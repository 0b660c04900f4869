import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { decodePicture } from "./decode.js";
import { convertToSrgb, isSrgb, readCurveProfile } from "./icc-profile.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "deqfleet-icc-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const astronaut = new URL("../../photos/astronaut.png", import.meta.url).pathname;

/** How many entries differ; a matcher's own comparison takes a second on a photo. */
const mismatches = (actual: ArrayLike<number>, expected: ArrayLike<number>): number => {
  let count = Math.abs(actual.length - expected.length);
  for (let i = 0; i < expected.length; i++) count += actual[i] === expected[i] ? 0 : 1;
  return count;
};

/** Puts a profile into a PNG right after its header. */
const withProfile = (png: Buffer, profile: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from("iCCPtest\0\0", "latin1"), deflateSync(profile)]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(body.length - 4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([png.subarray(0, 33), length, body, check, png.subarray(33)]);
};

const u16 = (n: number): Buffer => Buffer.from([(n >> 8) & 255, n & 255]);
const u32 = (n: number): Buffer => Buffer.concat([u16(n >>> 16), u16(n & 65535)]);
const s15f16 = (x: number): Buffer => u32(Math.round(x * 65536) >>> 0);
const tag = (type: string, ...content: Buffer[]): Buffer =>
  Buffer.concat([Buffer.from(type, "latin1"), Buffer.alloc(4), ...content]);

/** A version 2 display profile of the given tags. */
const buildProfile = (
  space: "RGB " | "GRAY",
  connection: "XYZ " | "Lab ",
  tags: Record<string, Buffer>,
): Buffer => {
  const names = Object.keys(tags);
  const header = Buffer.alloc(128);
  header.writeUInt32BE(0x02400000, 8);
  header.write(`mntr${space}${connection}`, 12, "latin1");
  header.write("acsp", 36, "latin1");
  Buffer.concat([s15f16(0.9642), s15f16(1), s15f16(0.8249)]).copy(header, 68);
  const table: Buffer[] = [u32(names.length)];
  const bodies: Buffer[] = [];
  let offset = 132 + 12 * names.length;
  for (const name of names) {
    const body = tags[name]!;
    const padded = Buffer.concat([body, Buffer.alloc((4 - (body.length % 4)) % 4)]);
    table.push(Buffer.from(name, "latin1"), u32(offset), u32(body.length));
    bodies.push(padded);
    offset += padded.length;
  }
  const profile = Buffer.concat([header, ...table, ...bodies]);
  profile.writeUInt32BE(profile.length, 0);
  return profile;
};

const grayProfile = (curve: Buffer): Buffer =>
  buildProfile("GRAY", "XYZ ", { wtpt: tag("XYZ ", s15f16(0.9642), s15f16(1), s15f16(0.8249)), kTRC: curve });

const encodeSrgb = (x: number): number => (x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055);
const decodeSrgb = (x: number): number => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);

/** A profile that libvips ships, taken from a file written with it. */
const shipped = async (name: "srgb" | "p3"): Promise<Buffer> => {
  const blank = sharp({ create: { width: 1, height: 1, channels: 3, background: "red" } });
  const { icc } = await sharp(await blank.withIccProfile(name).png().toBuffer()).metadata();
  return icc!;
};

const converted = (profile: Uint8Array, values: number[]): Float32Array => {
  const parsed = readCurveProfile(profile);
  expect(parsed).toBeDefined();
  const result = Float32Array.from(values, (v) => 2 * v - 1);
  convertToSrgb(result, parsed!);
  return result.map((v) => (v + 1) / 2);
};

describe("readCurveProfile", () => {
  const probes = [0, 0.02, 0.1, 0.25, 0.5, 0.9, 1].map((x) => Math.round(x * 255) / 255);
  const parameters = (kind: number, ...p: number[]): Buffer =>
    tag("para", u16(kind), u16(0), ...p.map(s15f16));

  it.each<[string, Buffer, (x: number) => number]>([
    ["identity", tag("curv", u32(0)), (x) => x],
    ["gamma 1.8", tag("curv", u32(1), u16(Math.round(1.8 * 256))), (x) => x ** (461 / 256)],
    [
      "three samples",
      tag("curv", u32(3), u16(0), u16(16384), u16(65535)),
      (x) => (x < 0.5 ? x / 2 : 0.25 + (x - 0.5) * 1.5),
    ],
    ["parametric 0", parameters(0, 2.2), (x) => x ** 2.2],
    ["parametric 1", parameters(1, 2, 0.9, 0.1), (x) => (0.9 * x + 0.1) ** 2],
    ["parametric 2", parameters(2, 2, 0.8, 0.1, 0.05), (x) => (0.8 * x + 0.1) ** 2 + 0.05],
    ["parametric 3 (sRGB)", parameters(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045), decodeSrgb],
    [
      "parametric 4",
      parameters(4, 2, 0.9, 0.05, 0.3, 0.1, 0.04, 0.01),
      (x) => (x >= 0.1 ? (0.9 * x + 0.05) ** 2 + 0.04 : 0.3 * x + 0.01),
    ],
  ])("reads a gray curve: %s", (_, curve, expected) => {
    const result = converted(grayProfile(curve), probes);
    probes.forEach((x, i) => {
      expect(result[i]).toBeCloseTo(encodeSrgb(Math.min(expected(x), 1)), 3);
    });
  });

  it("knows sRGB from others", async () => {
    expect(isSrgb(readCurveProfile(await shipped("srgb"))!)).toBe(true);
    expect(isSrgb(readCurveProfile(await shipped("p3"))!)).toBe(false);
    expect(isSrgb(readCurveProfile(grayProfile(tag("curv", u32(0))))!)).toBe(false);
  });

  it("leaves lookup tables and damaged profiles alone", async () => {
    const p3 = await shipped("p3");
    for (const length of [0, 20, 130, 140, 300])
      expect(readCurveProfile(p3.subarray(0, length))).toBeUndefined();
    expect(readCurveProfile(buildProfile("GRAY", "Lab ", { kTRC: tag("curv", u32(0)) }))).toBeUndefined();
    expect(readCurveProfile(grayProfile(tag("curv", u32(0xffffffff))))).toBeUndefined();
    const table = buildProfile("GRAY", "XYZ ", { kTRC: tag("curv", u32(0)), A2B0: tag("mft2") });
    expect(readCurveProfile(table)).toBeUndefined();
  });
});

describe("decodePicture with colour profiles", () => {
  it("leaves sRGB pictures exactly as they are", async () => {
    const path = join(folder, "srgb.png");
    await writeFile(path, withProfile(await readFile(astronaut), await shipped("srgb")));
    expect((await sharp(path).metadata()).icc).toBeDefined();
    const [tagged, plain] = await Promise.all([decodePicture(path), decodePicture(astronaut)]);
    expect(mismatches(tagged.values, plain.values)).toBe(0);
  });

  it.each([8, 16] as const)("converts Display P3 at %i bits by the primaries' matrix", async (bits) => {
    const maximum = bits === 16 ? 65535 : 255;
    const p3 = [
      [0.5, 0.5, 0.5],
      [0.6, 0.4, 0.35],
      [0.2, 0.45, 0.3],
      [0.1, 0.12, 0.5],
      [0, 1, 0],
    ];
    const codes = p3.flat().map((x) => Math.round(x * maximum));
    const samples = bits === 16 ? Uint16Array.from(codes) : Uint8Array.from(codes);
    const png = await sharp(samples, { raw: { width: 5, height: 1, channels: 3 } })
      .toColourspace(bits === 16 ? "rgb16" : "srgb")
      .png()
      .toBuffer();
    const path = join(folder, "p3.png");
    await writeFile(path, withProfile(png, await shipped("p3")));
    const { values, bitDepth } = await decodePicture(path);
    expect(bitDepth).toBe(bits);
    // Display P3 to sRGB in linear light (CSS Color 4, sample code), both D65.
    const matrix = [
      1.2249401763, -0.2249401763, 0, -0.0420569547, 1.0420569547, 0, -0.0196375546, -0.0786360456, 1.0982736,
    ];
    p3.forEach((_, pixel) => {
      const linear = [0, 1, 2].map((c) => decodeSrgb(codes[3 * pixel + c]! / maximum));
      for (let c = 0; c < 3; c++) {
        const sum = linear.reduce((total, x, k) => total + matrix[3 * c + k]! * x, 0);
        const expected = encodeSrgb(Math.min(Math.max(sum, 0), 1));
        expect(Math.abs((values[5 * c + pixel]! + 1) / 2 - expected)).toBeLessThan(0.002);
      }
    });
  });

  it("agrees with Little CMS to one gray level on a photo", async () => {
    const tagged = withProfile(await readFile(astronaut), await shipped("p3"));
    const path = join(folder, "p3.png");
    await writeFile(path, tagged);
    const { values } = await decodePicture(path);
    const reference = await sharp(tagged).toColourspace("srgb").raw().toBuffer();
    let largest = 0;
    for (let i = 0; i < values.length; i++) {
      const code = reference[(i % 65536) * 3 + Math.floor(i / 65536)]!;
      largest = Math.max(largest, Math.abs(((values[i]! + 1) / 2) * 255 - code));
    }
    expect(largest).toBeLessThanOrEqual(1);
  });

  it("converts 16-bit pictures with lookup tables to sRGB as it does 8-bit ones", async () => {
    // L* = 100 (r + g + b) / 3, a* and b* by red and blue: linear, so a grid of two points a channel holds it exactly.
    const lab: Buffer[] = [];
    for (const r of [0, 1]) {
      for (const g of [0, 1]) {
        for (const b of [0, 1]) {
          lab.push(
            u16(Math.round((65280 * (r + g + b)) / 3)),
            u16(0x8000 + r * 0x2000),
            u16(0x8000 - b * 0x2000),
          );
        }
      }
    }
    const unit = [1, 0, 0, 0, 1, 0, 0, 0, 1].map(s15f16);
    const ramps = Array.from({ length: 3 }, () => Buffer.concat([u16(0), u16(65535)]));
    const table = tag("mft2", Buffer.from([3, 3, 2, 0]), ...unit, u16(2), u16(2), ...ramps, ...lab, ...ramps);
    const white = tag("XYZ ", s15f16(0.9642), s15f16(1), s15f16(0.8249));
    const profile = buildProfile("RGB ", "Lab ", { wtpt: white, A2B0: table });
    expect(readCurveProfile(profile)).toBeUndefined();
    const codes = Uint8Array.from([128, 128, 128, 200, 60, 60, 60, 60, 160, 90, 140, 70]);
    const raw = { width: 4, height: 1, channels: 3 } as const;
    const eight = await sharp(codes, { raw }).png().toBuffer();
    const sixteen = await sharp(
      Uint16Array.from(codes, (v) => v * 257),
      { raw },
    )
      .toColourspace("rgb16")
      .png()
      .toBuffer();
    const paths = [join(folder, "8.png"), join(folder, "16.png")];
    await writeFile(paths[0]!, withProfile(eight, profile));
    await writeFile(paths[1]!, withProfile(sixteen, profile));
    const [narrow, wide] = await Promise.all(paths.map((path) => decodePicture(path)));
    const plain = Float32Array.from(
      { length: 12 },
      (_, i) => codes[(i % 4) * 3 + Math.floor(i / 4)]! / 127.5 - 1,
    );
    const apart = (a: Float32Array, b: Float32Array): number =>
      Math.max(...a.map((v, i) => Math.abs(v - b[i]!) * 127.5));
    expect(apart(narrow!.values, plain)).toBeGreaterThan(20);
    expect(apart(narrow!.values, wide!.values)).toBeLessThanOrEqual(3);
  });
});
