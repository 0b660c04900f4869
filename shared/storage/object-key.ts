/** Keys of objects: what is allowed as one, and how they are ordered. */
import { InputError } from "../errors.js";

/** Bytes of UTF-8, as object storages allow. */
const longestKey = 1024;

/**
 * Refuses a key that could name something outside its store, or that not every store could hold.
 * @returns the key
 * @throws InputError naming the key and what is wrong with it
 */
export function checkKey(key: string): string {
  const refuse = (why: string): never => {
    throw new InputError(`${JSON.stringify(key)} is no key of a store: ${why}`);
  };
  if (key === "") refuse("it is empty");
  if (key.startsWith("/")) refuse("it is absolute; give a path relative to the store");
  if (Buffer.byteLength(key) > longestKey) refuse(`it has more than ${longestKey} bytes`);
  // biome would have control characters spelled out of a pattern; here they are what is looked for.
  if ([...key].some((letter) => letter < " " || letter === "\u007f" || letter === "\\")) {
    refuse("it holds a control character or a backslash");
  }
  for (const part of key.split("/")) {
    if (part === "") refuse("it has an empty part");
    if (part === "." || part === "..") refuse(`it has a part ${part}`);
  }
  return key;
}

/** Whether a name that was found may be used as a key. */
export function isKey(name: string): boolean {
  try {
    checkKey(name);
    return true;
  } catch {
    return false;
  }
}

/** Code units from here on, but for surrogates, stand behind surrogates in UTF-16 and before them in UTF-8. */
const firstSurrogate = 0xd800;
const rank = (unit: number): number =>
  unit < firstSurrogate ? unit : unit >= 0xe000 ? unit - 0x2000 : unit + 0x2000;

/** The order of keys: that of their UTF-8 bytes, without encoding them. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}
