/** The page's state in its address, behind `#`: what differs from the page as it begins, so that a link shows the same. */

export class Address {
  private readonly values: URLSearchParams;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    // `#log` is a section, and no state.
    this.values = new URLSearchParams(location.hash.includes('=') ? location.hash.slice(1) : '');
  }

  /** null: as the page begins. */
  get(name: string): string | null {
    return this.values.get(name);
  }

  /** @param usual the value that is left out */
  set(name: string, value: string, usual: string): void {
    if (value === usual) this.values.delete(name);
    else this.values.set(name, value);
    // Browsers refuse an address that changes many times a second, as a slider does.
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const text = this.values.toString();
      history.replaceState(null, '', text === '' ? location.pathname + location.search : `#${text}`);
    }, 150);
  }
}
