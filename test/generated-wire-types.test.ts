/** The committed wire types are those of the committed protocol. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { packageRoot } from "../shared/package-root.js";

const root = fileURLToPath(packageRoot);
const generated = join("shared", "wire", "generated");

/** Contents by path of all files under a folder. */
const filesOf = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path.slice(folder.length), readFileSync(path, "utf8")]),
  );

it("regenerating the wire types changes nothing", () => {
  // A copy of what the script reads: the types in the source tree stay untouched while other tests use them.
  const copy = mkdtempSync(join(tmpdir(), "deqfleet-generate-"));
  try {
    for (const folder of ["proto", "scripts"])
      cpSync(join(root, folder), join(copy, folder), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    execFileSync(process.execPath, ["scripts/generate-wire-types.js"], { cwd: copy, stdio: "pipe" });
    const fresh = filesOf(join(copy, generated));
    expect(Object.keys(fresh).length).toBeGreaterThan(10);
    expect(filesOf(join(root, generated))).toEqual(fresh);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});
