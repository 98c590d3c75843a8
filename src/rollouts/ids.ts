/**
 * Ids of groups, unique within a step: the second group of a problem in a step is `id#2`, the third `id#3`. An id that
 * a log already has in this form is kept, and its number is skipped.
 */
export class UniqueIds {
  private readonly times = new Map<string, number>();

  /** The id itself, or with a number if it was used before. */
  next(id: string): string {
    const before = this.times.get(id);
    if (before === undefined) {
      this.times.set(id, 1);
      return id;
    }
    let number = before + 1;
    while (this.times.has(`${id}#${number}`)) number++;
    this.times.set(id, number);
    this.times.set(`${id}#${number}`, 1);
    return `${id}#${number}`;
  }

  has(id: string): boolean {
    return this.times.has(id);
  }
}
