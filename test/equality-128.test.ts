/** The full matrix of full-equality-matrix.ts at 128x128; sizes in files of their own run side by side. */
import { describeFullMatrix } from "./full-equality-matrix.js";

describeFullMatrix(128, ["secant"]);
