/**
 * Errors of the public API say what the caller may do next, for programs: in trailing metadata, beside the status code and the
 * message for people.
 *
 *     deqfleet-error-kind     input | picture | retryable | fatal, see shared/errors.ts
 *     deqfleet-error-reason   no-such-job | job-differs | job-not-ended | no-worker; absent for all others
 */
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import type { ErrorKind } from "../errors.js";

const kindKey = "deqfleet-error-kind";
const reasonKey = "deqfleet-error-reason";

const kinds: readonly ErrorKind[] = ["input", "picture", "retryable", "fatal"];

/** What a program may want to tell apart. */
export const errorReasons = ["no-such-job", "job-differs", "job-not-ended", "no-worker"] as const;
export type ErrorReason = (typeof errorReasons)[number];

/** The trailing metadata of an error. */
export function errorMetadata(kind: ErrorKind, reason?: ErrorReason): Metadata {
  const metadata = new Metadata();
  metadata.set(kindKey, kind);
  if (reason !== undefined) metadata.set(reasonKey, reason);
  return metadata;
}

const valueIn = <Value extends string>(
  { metadata }: ServiceError,
  key: string,
  values: readonly Value[],
): Value | undefined => {
  const [given] = metadata?.get(key) ?? [];
  return values.find((value) => value === given);
};

/** What the caller may do next; undefined if the server did not say so: the error is gRPC's own, or that of a proxy. */
export const errorKind = (error: ServiceError): ErrorKind | undefined => valueIn(error, kindKey, kinds);

/** Undefined if there is no particular one, or this version does not know it. */
export const errorReason = (error: ServiceError): ErrorReason | undefined =>
  valueIn(error, reasonKey, errorReasons);

/** What gRPC says of an error, less the end of its message that announces a note on the address and mostly has none. */
export const detailsOf = ({ details }: Pick<ServiceError, "details">): string =>
  details.replace(/\s*Resolution note:\s*$/, "");
