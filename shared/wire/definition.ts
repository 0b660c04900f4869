/** The definition of proto/deqfleet/v1, for those who encode its messages themselves as well as for gRPC. */
import { fileURLToPath } from "node:url";
import { loadSync, type PackageDefinition } from "@grpc/proto-loader";
import { packageRoot } from "../package-root.js";

const protocolFiles = ["deqfleet/v1/slice.proto", "deqfleet/v1/fleet.proto", "deqfleet/v1/jobs.proto"];

/** The parsed protocol. */
export const protocolDefinition: PackageDefinition = loadSync(protocolFiles, {
  includeDirs: [fileURLToPath(new URL("proto/", packageRoot))],
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
  arrays: true,
});
