/** The full matrix of full-equality-matrix.ts at 64x64; sizes in files of their own run side by side. */
import { methodNames } from "../shared/chain/method.js";
import { describeFullMatrix } from "./full-equality-matrix.js";

describeFullMatrix(64, methodNames);
