/** A file system too small for what a test writes. */
import { execFileSync } from "node:child_process";

/** Mounts a file system of 64 KiB on `at`; false where mounting is not allowed. */
export function mountTinyDisk(at: string): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", at], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Unmounts it. */
export function unmountTinyDisk(at: string): void {
  execFileSync("umount", [at]);
}
