// Prints the path of the versitygw that tests start as an S3 server.
import { printGoProgram } from "./go-program.js";

printGoProgram({
  name: "versitygw",
  variable: "VERSITYGW",
  module: "github.com/versity/versitygw/cmd/versitygw",
  version: "v1.8.0",
  suits: (text) => /v1\.\d+/.test(text),
});
