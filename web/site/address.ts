/**
 * The page's state in the address after `#`: only values that differ from the initial state, so that a link shows the
 * same page.
 */

export class Address {
  private readonly values: URLSearchParams;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    // `#log` names a section; it is not state.
    this.values = new URLSearchParams(location.hash.includes('=') ? location.hash.slice(1) : '');
  }

  /** null: the initial value. */
  get(name: string): string | null {
    return this.values.get(name);
  }

  /** @param usual the default value, which is left out */
  set(name: string, value: string, usual: string): void {
    if (value === usual) this.values.delete(name);
    else this.values.set(name, value);
    // Browsers limit how often the address may change, and a slider changes it many times a second.
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const text = this.values.toString();
      history.replaceState(null, '', text === '' ? location.pathname + location.search : `#${text}`);
    }, 150);
  }
}
