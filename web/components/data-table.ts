/** A table that sorts by its columns and filters by text: any data, rows made only for what is shown. */
import { element } from './dom.js';

export interface Column<T> {
  readonly name: string;
  /** Said when pointed at. */
  readonly meaning?: string;
  readonly text: (row: T) => string;
  /** What to sort by; default: the text. */
  readonly value?: (row: T) => number | string;
  /** Numbers: to the right, and largest first when first sorted by. */
  readonly number?: boolean;
  /** Left out where there is little room, until all columns are asked for. */
  readonly wide?: boolean;
  /** Over several lines where there is little room. */
  readonly wraps?: boolean;
}

export interface TableOptions<T> {
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  /** Column sorted by at first, largest first. */
  readonly sortBy?: string;
  readonly caption: string;
  /** What the text filter looks into. */
  readonly search: (row: T) => string;
  /** Further filters, each a box to tick. */
  readonly filters?: readonly { readonly name: string; readonly keeps: (row: T) => boolean }[];
  readonly onOpen: (row: T) => void;
}

export interface DataTable<T> {
  readonly element: HTMLElement;
  /** Marks a row as the one that is open. */
  mark(row: T): void;
  /** Rows as shown now. */
  shown(): readonly T[];
}

function classOf<T>({ number, wide, wraps }: Column<T>): string | undefined {
  const names = [...(number ? ['number'] : []), ...(wide ? ['wide'] : []), ...(wraps ? ['wraps'] : [])];
  return names.length > 0 ? names.join(' ') : undefined;
}

/** Rows drawn at once; the rest on request. */
const PAGE = 200;

export function dataTable<T>(options: TableOptions<T>): DataTable<T> {
  const { columns, rows, search, filters = [], onOpen } = options;
  let sorted = columns.find(({ name }) => name === options.sortBy) ?? columns[0];
  let descending = sorted.number === true;
  let limit = PAGE;
  let marked: T | null = null;
  let current: readonly T[] = rows;
  const byElement = new Map<HTMLElement, T>();

  const query = element('input', {
    type: 'search',
    placeholder: 'filter by text',
    'aria-label': 'Filter groups by text',
  });
  const boxes = filters.map(({ name, keeps }) => ({
    keeps,
    name,
    box: element('input', { type: 'checkbox' }),
  }));
  const status = element('p', { class: 'table-status', role: 'status' });
  const body = element('tbody');
  const headers = columns.map((column) => {
    const button = element('button', { type: 'button', title: column.meaning }, column.name);
    button.addEventListener('click', () => {
      descending = sorted === column ? !descending : column.number === true;
      sorted = column;
      draw();
    });
    return element('th', { scope: 'col', class: classOf(column) }, button);
  });
  const more = element('button', { type: 'button', class: 'more' }, 'show more');
  more.addEventListener('click', () => {
    limit += PAGE;
    draw();
  });

  function compare(a: T, b: T): number {
    const value = sorted.value ?? sorted.text;
    const [x, y] = [value(a), value(b)];
    const order = typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y));
    return descending ? -order : order;
  }

  function draw(): void {
    const wanted = query.value.toLowerCase();
    current = rows
      .filter((row) => boxes.every(({ box, keeps }) => !box.checked || keeps(row)))
      .filter((row) => wanted === '' || search(row).toLowerCase().includes(wanted))
      .sort(compare);
    headers.forEach((header, i) => {
      if (columns[i] === sorted) header.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      else header.removeAttribute('aria-sort');
    });
    byElement.clear();
    body.replaceChildren(...current.slice(0, limit).map(rowElement));
    status.textContent =
      current.length === rows.length ? `${rows.length} groups` : `${current.length} of ${rows.length} groups`;
    more.hidden = current.length <= limit;
  }

  function rowElement(row: T): HTMLElement {
    const cells = columns.map((column, i) => {
      const text = column.text(row);
      // The first cell is the handle: one stop of the tab key for each row.
      const content = i === 0 ? element('button', { type: 'button', class: 'open' }, text) : text;
      return element('td', { class: classOf(column), title: column.number ? undefined : text }, content);
    });
    const tableRow = element('tr', { class: row === marked ? 'marked' : undefined }, ...cells);
    tableRow.addEventListener('click', () => onOpen(row));
    byElement.set(tableRow, row);
    return tableRow;
  }

  query.addEventListener('input', draw);
  for (const { box } of boxes) box.addEventListener('change', draw);
  draw();
  const allColumns = element(
    'button',
    { type: 'button', class: 'all-columns', 'aria-pressed': 'false' },
    'all columns',
  );
  allColumns.addEventListener('click', () => {
    const shown = whole.classList.toggle('all');
    allColumns.setAttribute('aria-pressed', String(shown));
  });
  const controls = element(
    'div',
    { class: 'table-controls' },
    query,
    ...boxes.map(({ name, box }) => element('label', {}, box, ` ${name}`)),
    allColumns,
    status,
  );
  const table = element(
    'table',
    {},
    element('caption', {}, options.caption),
    element('thead', {}, element('tr', {}, ...headers)),
    body,
  );
  const whole = element(
    'div',
    { class: 'data-table' },
    controls,
    element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': options.caption }, table),
    more,
  );
  return {
    element: whole,
    mark(row) {
      marked = row;
      for (const [tableRow, other] of byElement) tableRow.classList.toggle('marked', other === row);
    },
    shown: () => current,
  };
}
