/** Numbers that stand for streams and listeners, as descriptors do elsewhere. */

/**
 * Gives out the lowest number that is free, as the kernel does, so that a mistake with a number that is used again
 * shows here as well.
 *
 * @owner the loop's thread. @cost O(1) amortised.
 */
export class Numbers<Item> {
  private readonly items: (Item | undefined)[] = [];
  /** No number below this one is free. */
  private low = 0;

  add(item: Item): number {
    while (this.items[this.low] !== undefined) this.low++;
    this.items[this.low] = item;
    return this.low++;
  }

  get(number: number): Item | undefined {
    return this.items[number];
  }

  /** Frees a number. No-op for one that is free. */
  remove(number: number): void {
    this.items[number] = undefined;
    this.low = Math.min(this.low, number);
  }

  /** Everything that has a number. */
  *[Symbol.iterator](): IterableIterator<Item> {
    for (const item of this.items) if (item !== undefined) yield item;
  }
}
