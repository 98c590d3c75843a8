/** A table that can be sorted by its columns and filtered by text. It creates elements only for the visible rows. */
import { element } from './dom.js';

export interface Column<T> {
  readonly name: string;
  /** Tooltip of the header. */
  readonly meaning?: string;
  readonly text: (row: T) => string;
  /** Sort key; default: the text. */
  readonly value?: (row: T) => number | string;
  /** Numbers are aligned right and sorted descending first. */
  readonly number?: boolean;
  /** Hidden on narrow pages until the reader asks for all columns. */
  readonly wide?: boolean;
  /** Wraps over several lines on narrow pages. */
  readonly wraps?: boolean;
}

export interface TableOptions<T> {
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  /** Column that the table is sorted by at first, largest value first. */
  readonly sortBy?: string;
  readonly caption: string;
  /** Text that the filter searches. */
  readonly search: (row: T) => string;
  /** Further filters, each with a checkbox. */
  readonly filters?: readonly { readonly name: string; readonly keeps: (row: T) => boolean }[];
  readonly onOpen: (row: T) => void;
}

export interface DataTable<T> {
  readonly element: HTMLElement;
  /** Marks a row as the open one. */
  mark(row: T): void;
  /** The visible rows, in their order. */
  shown(): readonly T[];
}

function classOf<T>({ number, wide, wraps }: Column<T>): string | undefined {
  const names = [...(number ? ['number'] : []), ...(wide ? ['wide'] : []), ...(wraps ? ['wraps'] : [])];
  return names.length > 0 ? names.join(' ') : undefined;
}

/** Rows drawn at once; the reader can ask for more. */
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
      // Only the first cell can take the focus: one tab stop per row.
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
