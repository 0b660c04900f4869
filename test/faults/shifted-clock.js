// Loaded into a program with --import: on SIGUSR2 its clock jumps back and forth by an hour, as after a wrong time server.
const hour = 3600_000;
let shift = 0;
let sign = 1;
const RealDate = Date;
const realNow = Date.now.bind(Date);

globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(realNow() + shift);
    else super(...args);
  }

  static now() {
    return realNow() + shift;
  }
};

process.on("SIGUSR2", () => {
  shift += sign * hour;
  sign = -sign;
});
