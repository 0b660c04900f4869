import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../test/small-pictures.js";
import { syncFolder } from "./sync-folder.js";

it("serves all who ask while a sync is under way by one that begins behind it", async () => {
  const folder = await temporaryFolder();
  const first = syncFolder(folder);
  const [second, third] = [syncFolder(folder), syncFolder(folder)];
  // What was changed after the first began is not in it.
  expect(second).not.toBe(first);
  expect(third).toBe(second);
  await second;
  const later = syncFolder(folder);
  expect(later).not.toBe(second);
  await later;
});

it("tells a failure to those it concerns, and goes on", async () => {
  const folder = await temporaryFolder();
  const missing = join(folder, "missing");
  const failing = syncFolder(missing);
  const behind = syncFolder(missing);
  await expect(failing).rejects.toThrow("ENOENT");
  await expect(behind).rejects.toThrow("ENOENT");
  await writeFile(join(folder, "a"), "");
  await rename(join(folder, "a"), join(folder, "b"));
  await syncFolder(folder);
});
