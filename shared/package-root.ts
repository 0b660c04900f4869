/** Where the package lies: the folder of its package.json, whether run from sources or from dist/. */
import { existsSync } from "node:fs";

function find(from: URL): URL {
  const folder = new URL(".", from);
  if (existsSync(new URL("package.json", folder))) return folder;
  const parent = new URL("..", folder);
  if (parent.href === folder.href) throw new Error(`no package.json above ${from.href}`);
  return find(parent);
}

/** Folder URL with a trailing slash. */
export const packageRoot: URL = find(new URL(import.meta.url));
