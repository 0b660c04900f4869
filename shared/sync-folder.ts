/** Making names in a folder durable: files made, renamed or removed in it. */
import { open } from "node:fs/promises";

/** Some file systems (network mounts, Windows) cannot sync a folder; a rename itself is still atomic there. */
const unsupported = new Set(["EINVAL", "ENOTSUP", "EPERM", "EISDIR", "EACCES"]);

const codeOf = (thrown: unknown): string =>
  thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";

/** Rejects with the file system's error if the disk fails or there is no such folder. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!unsupported.has(codeOf(error))) throw error;
  }
}
