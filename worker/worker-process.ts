/** What a worker process and the supervisor that started it say to each other over the IPC channel. */
import type { ErrorKind } from "../shared/errors.js";

/** Sent once by the worker, when it listens or cannot. */
export type WorkerAnnouncement =
  | { readonly type: "listening"; readonly port: number }
  | { readonly type: "unusable"; readonly kind: ErrorKind; readonly message: string };
