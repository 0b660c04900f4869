/** What a file system's refusal means: of one key, of the whole folder, or nothing bad. */
import { DeqfleetError, InputError, PictureError } from "../errors.js";
import { StoreFullError, StoreUnavailableError } from "./object-store.js";

export const codeOf = (thrown: unknown): string =>
  thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";

/** Whether there is no such file. */
export const isMissing = (thrown: unknown): boolean => ["ENOENT", "ENOTDIR"].includes(codeOf(thrown));

/** Whether this process may not go there. */
export const isClosed = (thrown: unknown): boolean => ["EACCES", "EPERM"].includes(codeOf(thrown));

/** What is wrong with one key and not with the folder: waiting would not mend it, and other pictures can be written. */
const faultsOfKey = ["EEXIST", "EISDIR", "ELOOP", "ENAMETOOLONG", "ENOTDIR"];

const faultsOfRoom = ["ENOSPC", "EDQUOT"];

/** Whether the file system said one of these, here or in the write that threw. */
function isAmong(codes: readonly string[], thrown: unknown): boolean {
  if (codes.includes(codeOf(thrown))) return true;
  return thrown instanceof DeqfleetError && thrown.cause !== undefined && isAmong(codes, thrown.cause);
}

/** Anything thrown on purpose as it is, anything else as the store's failure. */
export function failureOf(path: string, doing: string, cause: unknown): DeqfleetError {
  if (
    cause instanceof StoreUnavailableError ||
    cause instanceof PictureError ||
    cause instanceof InputError
  ) {
    return cause;
  }
  const told = DeqfleetError.messageOf(cause);
  // A write that failed has said so of its path.
  const message = told.startsWith(`${path} cannot be `) ? told : `${path} cannot be ${doing}: ${told}`;
  if (isAmong(faultsOfKey, cause)) return new PictureError(message, { cause });
  if (isAmong(faultsOfRoom, cause)) return new StoreFullError(message, { cause });
  return new StoreUnavailableError(message, { cause });
}
