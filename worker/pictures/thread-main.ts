/**
 * The picture thread: reads, prepares, judges and writes whole pictures, beside the engine thread, which only computes, and the
 * main thread, which only talks.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import sharp from "sharp";
import type { BatchLimits } from "../../shared/chain/batch-limits.js";
import type { NetworkCard } from "../../shared/chain/network-card.js";
import type { ChainSpec, SerialReport } from "../../shared/chain/slice-host.js";
import { LocatedFiles } from "../../shared/restore/located-files.js";
import type { RestoredHere, WholePicture } from "../../shared/restore/whole-picture.js";
import { openStore } from "../../shared/storage/open-store.js";
import { PortCalls, serveCalls } from "../port-calls.js";
import { WholePictures } from "./whole-pictures.js";

/** What the thread is started with. */
export interface PictureThreadOptions {
  readonly network: NetworkCard;
  readonly batch: BatchLimits | undefined;
  /** Where the engine solves chains. */
  readonly engine: MessagePort;
}

/** Pictures are many, and each is small beside the threads libvips would start for it. */
const threadsOfPicture = 1;

function serve(port: MessagePort, { network, batch, engine }: PictureThreadOptions): void {
  sharp.concurrency(threadsOfPicture);
  // It remembers operations on the same input: there is none twice.
  sharp.cache(false);
  const chains = new PortCalls<ChainSpec, SerialReport>(engine);
  const pictures = new WholePictures({
    network,
    batch,
    files: new LocatedFiles((uri, options) => openStore(uri, { ...options, ownThread: true })),
    solve: (chain, signal) => chains.call(chain, signal, [chain.pseudoInverse.buffer as ArrayBuffer]),
  });
  serveCalls<WholePicture, RestoredHere>(port, (picture, signal) => pictures.restore(picture, signal));
}

if (parentPort) serve(parentPort, workerData as PictureThreadOptions);
