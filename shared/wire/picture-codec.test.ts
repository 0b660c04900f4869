import { describe, expect, it } from "vitest";
import { FatalError, InputError, PictureError, RetryableError } from "../errors.js";
import type { RestoredWhole, WholePicture } from "../restore/whole-picture.js";
import { StoreFullError, StoreUnavailableError } from "../storage/object-store.js";
import { decodeFailure, encodeFailure } from "./failure-codec.js";
import type { RestorePictureReply__Output } from "./generated/deqfleet/v1/RestorePictureReply.js";
import type { RestorePictureRequest__Output } from "./generated/deqfleet/v1/RestorePictureRequest.js";
import { decodeRequest, decodeRestored, encodeRequest, encodeRestored } from "./picture-codec.js";
import { protocol } from "./protocol.js";

const { requestSerialize, requestDeserialize, responseSerialize, responseDeserialize } =
  protocol.Worker.service.RestorePicture;

const picture: WholePicture = {
  pictureId: "deep/größe.png",
  restoration: {
    task: { task: "inpaint" },
    simulate: true,
    steps: 25,
    start: 1000,
    spacing: "quad",
    etw: 0.5,
    nw: 0.1,
    seed: 2 ** 40,
    method: "secant",
    tol: 0.1,
    maxRounds: null,
    window: 3,
    plan: "auto",
    maxPixels: 1e6,
  },
  input: { store: "s3://bucket/prefix", key: "deep/größe.png" },
  output: { store: null, key: "/out/deep/größe.png" },
  measurement: { store: "file:///out", key: "measurements/größe.png" },
  mask: { location: { store: "file:///out", key: "mask.png" }, sha256: "0".repeat(64) },
};

const sent = (request: WholePicture): RestorePictureRequest__Output =>
  requestDeserialize(requestSerialize(encodeRequest(request))) as RestorePictureRequest__Output;

describe("requests", () => {
  it.each([picture, { ...picture, measurement: undefined, mask: undefined }])(
    "come back as they were sent",
    (one) => {
      expect(decodeRequest(sent(one))).toEqual(one);
    },
  );

  it.each([
    ["restorationJson", { restorationJson: "{" }],
    ["steps", { restorationJson: JSON.stringify({ ...picture.restoration, steps: "many" }) }],
    ["pictureId", { pictureId: "" }],
    ["input", { input: null }],
    ["key", { output: { store: "", key: "" } }],
    ["sha256", { mask: { location: { store: "", key: "m" }, sha256: "short" } }],
  ])("are refused by the name of what is wrong: %s", (name, change) => {
    const wrong = () => decodeRequest({ ...sent(picture), ...change });
    expect(wrong).toThrow(InputError);
    expect(wrong).toThrow(name);
  });
});

describe("answers", () => {
  const restored: RestoredWhole = {
    sha256: "1".repeat(64),
    evaluations: 25,
    consistency: 1e-7,
    psnr: 20.5,
    ssim: 0.5,
    canvas: { height: 64, width: 32 },
    seconds: { network: 1.5, total: 2 },
  };
  const replied = (answer: RestoredWhole) =>
    (
      responseDeserialize(
        responseSerialize({ restored: encodeRestored(answer) }),
      ) as RestorePictureReply__Output
    ).restored;

  it.each([
    restored,
    { ...restored, consistency: null, psnr: null, ssim: null },
    { ...restored, psnr: 0, ssim: 0 },
  ])("come back as they were sent", (answer) => {
    expect(decodeRestored(replied(answer)!)).toEqual(answer);
  });

  it("without a size are none", () => {
    expect(() => decodeRestored({ ...replied(restored)!, canvasHeight: 0 })).toThrow(RetryableError);
  });
});

it.each([InputError, PictureError, RetryableError, FatalError, StoreUnavailableError, StoreFullError])(
  "errors come back as what they were: %o",
  (Kind) => {
    const back = decodeFailure(encodeFailure(new Kind("why")));
    expect(back.constructor).toBe(Kind);
    expect(back.message).toBe("why");
  },
);

it("errors nobody foresaw may go better elsewhere", () => {
  expect(decodeFailure(encodeFailure(new TypeError("oops")))).toBeInstanceOf(RetryableError);
});
