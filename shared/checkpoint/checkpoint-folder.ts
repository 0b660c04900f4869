/** Which file of a folder is the checkpoint, by the names that diffusers and transformers give. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { DeqfleetError, InputError } from "../errors.js";

/** Tried in this order; the first that matches any file decides. */
const conventions: readonly RegExp[] = [
  /^(?:diffusion_pytorch_model|model)\.safetensors(?:\.index\.json)?$/,
  /^diffusion_pytorch_model[^/]*\.safetensors\.index\.json$/,
  /^diffusion_pytorch_model[^/]*\.safetensors$/,
  /^model[^/]*\.safetensors\.index\.json$/,
  /^model[^/]*\.safetensors$/,
  /\.safetensors\.index\.json$/,
  /\.safetensors$/,
];

/**
 * The file to open for what the user named: itself, or the checkpoint in the folder. A plain
 * `diffusion_pytorch_model.safetensors` goes before its variants (`.fp16`, `.non_ema`), as in diffusers.
 * @throws InputError if there is no such path, the folder has no safetensors, or several that could be meant
 */
export async function checkpointFile(path: string): Promise<string> {
  let names: string[];
  try {
    if (!(await stat(path)).isDirectory()) return path;
    names = (await readdir(path)).sort();
  } catch (cause) {
    throw new InputError(`${path}: cannot be opened (${DeqfleetError.messageOf(cause)})`, { cause });
  }
  for (const convention of conventions) {
    const [name, ...others] = names.filter((candidate) => convention.test(candidate));
    if (name === undefined) continue;
    if (others.length === 0) return join(path, name);
    throw new InputError(
      `${path}: could mean ${[name, ...others].join(", ")}; name one of these files instead of the folder`,
    );
  }
  const torch = names.filter((name) => /\.(?:pt|pth|ckpt|bin)$/.test(name));
  const unet = names.includes("unet") ? `; the network of a pipeline is in ${join(path, "unet")}` : "";
  throw new InputError(
    `${path}: holds no .safetensors file${unet}${torch.length > 0 ? `; name one of its files: ${torch.join(", ")}` : ""}`,
  );
}
