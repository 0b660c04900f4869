/**
 * ONNX Runtime 1.30 carries a telemetry client, which keeps a device id in the user's home and is on unless the environment
 * says otherwise. A restorer of private pictures reports to nobody: deqfleet says otherwise, unless the user has decided.
 */

/** Has to be called on the main thread, before the first session of the process: a worker thread's environment is a copy. */
export function declineRuntimeTelemetry(environment: NodeJS.ProcessEnv = process.env): void {
  environment.ORT_DISABLE_TELEMETRY ??= "1";
}
