/** What tells two models apart. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { externalFiles } from "./inspect-model.js";
import { readModel } from "./read-model.js";

/** SHA-256 of a model: of its file, then of the files its weights lie in, as `deqfleet model inspect` prints it. */
export async function modelHash(path: string): Promise<string> {
  const hash = createHash("sha256");
  for (const file of [path, ...(await externalFiles(await readModel(path)))]) {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  }
  return hash.digest("hex");
}
