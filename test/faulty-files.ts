/** Files and folders that the file system refuses, for a test that runs as root: what it made, root may read. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";

/** Makes a file at `path` that can be opened, and fails with EIO when it is read: nothing is mapped where a process's memory begins. */
export function mountFailingFile(path: string): void {
  writeFileSync(path, "");
  execFileSync("mount", ["--bind", `/proc/${process.pid}/mem`, path]);
}

/** Leaves an empty file in its place, which can be read. */
export function unmountFailingFile(path: string): void {
  execFileSync("umount", [path]);
}

const nobody = 65_534;

/** Does something as a user whom permissions hold for. */
export async function asNobody<Result>(work: () => Promise<Result>): Promise<Result> {
  const { seteuid, geteuid } = process;
  if (!seteuid || !geteuid || geteuid() !== 0) return work();
  seteuid(nobody);
  try {
    return await work();
  } finally {
    seteuid(0);
  }
}
