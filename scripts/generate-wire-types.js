// Writes the TypeScript types of proto/ to shared/wire/generated. Run after every change to proto/.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";

const out = "shared/wire/generated";
rmSync(out, { recursive: true, force: true });
execFileSync(
  "node_modules/.bin/proto-loader-gen-types",
  [
    "--longs=Number",
    "--enums=String",
    "--defaults",
    "--oneofs",
    "--arrays",
    "--grpcLib=@grpc/grpc-js",
    "--importFileExtension=.js",
    "--includeDirs=proto",
    `--outDir=${out}`,
    "deqfleet/v1/slice.proto",
    "deqfleet/v1/fleet.proto",
    "deqfleet/v1/jobs.proto",
  ],
  { stdio: "inherit" },
);
