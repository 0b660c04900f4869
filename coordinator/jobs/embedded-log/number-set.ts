/** A set of natural numbers without large gaps, one bit each: a million take 128 KiB. */
export class NumberSet {
  #bits = new Uint8Array(1 << 10);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(number: number): boolean {
    return ((this.#bits[number >>> 3] ?? 0) & (1 << (number & 7))) !== 0;
  }

  add(number: number): void {
    if (this.has(number)) return;
    const byte = number >>> 3;
    if (byte >= this.#bits.length) {
      const larger = new Uint8Array(Math.max(byte + 1, 2 * this.#bits.length));
      larger.set(this.#bits);
      this.#bits = larger;
    }
    this.#bits[byte] |= 1 << (number & 7);
    this.#size++;
  }
}
