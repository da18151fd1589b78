/** Loaded before an agent whose clock is to be wrong: by HOLDFAST_TEST_CLOCK_DAYS, such as -5 for what was so five days ago. */
const shiftMs = Number(process.env.HOLDFAST_TEST_CLOCK_DAYS) * 86_400_000
const RealDate = Date
globalThis.Date = class extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(RealDate.now() + shiftMs)
    else super(...given)
  }

  static now() {
    return RealDate.now() + shiftMs
  }
}
