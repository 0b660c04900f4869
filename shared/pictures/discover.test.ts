import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InputError } from "../errors.js";
import { discoverPictures } from "./discover.js";

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), "deqfleet-discover-"));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

const touch = async (...paths: string[]): Promise<void> => {
  for (const path of paths) {
    await mkdir(dirname(join(cwd, path)), { recursive: true });
    await writeFile(join(cwd, path), "");
  }
};

const relativePaths = async (
  inputs: string[],
  options: Parameters<typeof discoverPictures>[1] = {},
): Promise<string[]> =>
  (await discoverPictures(inputs, { cwd, ...options })).map((source) => source.relativePath);

const expectInputError = async (finding: Promise<unknown>, ...parts: string[]): Promise<void> => {
  await expect(finding).rejects.toThrow(InputError);
  for (const part of parts) await expect(finding).rejects.toThrow(part);
};

describe("discoverPictures", () => {
  it("takes a file by its name, whatever folder it is in", async () => {
    await touch("deep/er/a.PNG");
    expect(await discoverPictures(["deep/er/a.PNG"], { cwd })).toEqual([
      { path: join(cwd, "deep/er/a.PNG"), relativePath: "a.PNG" },
    ]);
  });

  it("takes a folder with its sub-folders, sorted, without hidden and other files", async () => {
    await touch("in/b.jpg", "in/a.webp", "in/sub/c.TIFF", "in/Z.jpeg", "in/x.tif", "in/notes.txt");
    await touch("in/.hidden.png", "in/.git/d.png", "in/y.safetensors");
    const expected = ["Z.jpeg", "a.webp", "b.jpg", "sub/c.TIFF", "x.tif"];
    expect(await relativePaths(["in"])).toEqual(expected);
    expect(await relativePaths([`${join(cwd, "in")}/`])).toEqual(expected);
    expect(await relativePaths(["in"], { measurements: true })).toEqual([...expected, "y.safetensors"]);
  });

  it("finds pictures below a hidden folder that the user named", async () => {
    await touch(".cache/in/a.png");
    expect(await relativePaths([".cache/in"])).toEqual(["a.png"]);
    expect(await relativePaths([".cache/in/*.png"])).toEqual(["a.png"]);
  });

  it("keeps a glob's paths from its fixed folders on", async () => {
    await touch("set/one/a.png", "set/two/b.png", "set/two/c.txt", "set/two/.d.png", "set/e.png");
    expect(await relativePaths(["set/*/*"])).toEqual(["one/a.png", "two/b.png"]);
    expect(await relativePaths(["set/**/*.png"])).toEqual(["e.png", "one/a.png", "two/b.png"]);
    expect(await relativePaths(["set/{one,two}/*.png"])).toEqual(["one/a.png", "two/b.png"]);
    expect(await relativePaths([join(cwd, "set/two/?.png")])).toEqual(["b.png"]);
    expect(await relativePaths(["./set/../set/[e]*"])).toEqual(["e.png"]);
  });

  it("takes names that look like globs literally when they exist", async () => {
    await touch("shots [1]/a(1).png", "shots [1]/b{x}.png");
    expect(await relativePaths(["shots [1]/a(1).png"])).toEqual(["a(1).png"]);
    expect(await relativePaths(["shots [1]"])).toEqual(["a(1).png", "b{x}.png"]);
    expect(await relativePaths(["shots \\[1\\]/*.png"])).toEqual(["a(1).png", "b{x}.png"]);
  });

  it("follows links, ends on loops and passes broken links on to be reported", async () => {
    await touch("in/a.png", "elsewhere/b.png");
    await symlink(join(cwd, "elsewhere"), join(cwd, "in/linked"));
    await symlink(join(cwd, "in"), join(cwd, "in/loop"));
    await symlink(join(cwd, "gone.png"), join(cwd, "in/broken.png"));
    expect(await relativePaths(["in"])).toEqual(["a.png", "broken.png", "linked/b.png"]);
  });

  it("leaves the output folder out", async () => {
    await touch("in/a.png", "in/out/a.png", "in/outer/b.png");
    expect(await relativePaths(["in"], { exclude: "in/out" })).toEqual(["a.png", "outer/b.png"]);
    expect(await relativePaths(["in/**"], { exclude: "in/out/" })).toEqual(["a.png", "outer/b.png"]);
    await expectInputError(relativePaths(["in"], { exclude: "in" }), "output folder", "is left out");
  });

  it("lists a file once that several inputs reach", async () => {
    await touch("in/a.png", "in/sub/b.png");
    expect(await relativePaths(["in", "in/sub/b.png", "in/**/*.png"])).toEqual(["a.png", "sub/b.png"]);
  });

  it("names both files that would be written to one output", async () => {
    await touch("one/a.png", "two/a.png", "three/a.png", "three/a.safetensors", "three/a.jpg");
    await expectInputError(
      relativePaths(["one", "two"]),
      join(cwd, "one/a.png"),
      join(cwd, "two/a.png"),
      "rename",
    );
    expect(await relativePaths(["three"])).toEqual(["a.jpg", "a.png"]);
    await expectInputError(
      relativePaths(["three"], { measurements: true }),
      join(cwd, "three/a.png"),
      join(cwd, "three/a.safetensors"),
    );
  });

  it("names inputs that are missing, empty or no pictures", async () => {
    await touch("in/notes.txt", "y.safetensors");
    await expectInputError(relativePaths([]), "no input");
    await expectInputError(relativePaths(["gone.png"]), "gone.png does not exist");
    await expectInputError(relativePaths(["in"]), "folder in holds no picture");
    await expectInputError(relativePaths(["in/*.png"]), "in/*.png");
    await expectInputError(relativePaths(["gone/**"]), "gone/**");
    await expectInputError(relativePaths(["in/notes.txt"]), "in/notes.txt", ".webp");
    await expectInputError(relativePaths(["y.safetensors"]), "y.safetensors");
    expect(await relativePaths(["y.safetensors"], { measurements: true })).toEqual(["y.safetensors"]);
  });
});
