/**
 * `<process-tree>`: a custom element that draws a group given as JSON. It shows the tree, its legend, the figures of
 * the focused step, and the text of the chosen completion. It needs no framework. Its styles are a constructed style
 * sheet in a shadow root, so it works under a strict content security policy. Colours and fonts are custom properties
 * (`--process-tree-…`); light or dark follows `color-scheme`.
 */
import type { TreeView } from '../../src/analysis/tree-view.js';
import { element } from './dom.js';
import { type GroupJson, GroupJsonError, viewOfGroup } from './group-json.js';
import { nodeValues, readWeights, type Weights } from './node-values.js';
import styles from './process-tree.css?inline';
import { readingView, stepFigures } from './reading-view.js';
import { treeLegend } from './tree-legend.js';
import { treeMap } from './tree-map.js';

/** A completion was chosen or deselected. */
export interface CompletionSelect {
  /** Index in the group, from 0; null if none is chosen. */
  readonly completion: number | null;
}

/** The reader focused a step. */
export interface StepFocus {
  /** Index among the steps in depth-first order; 0 is the root. */
  readonly step: number;
}

/** The reader chose what the numbers show. */
export interface WeightsChange {
  readonly weights: Weights;
}

export interface ProcessTreeEvents {
  readonly 'completion-select': CustomEvent<CompletionSelect>;
  readonly 'step-focus': CustomEvent<StepFocus>;
  readonly 'weights-change': CustomEvent<WeightsChange>;
}

// Without a document (a server that only imports the module) the class exists but is not registered.
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;
let sheet: CSSStyleSheet | null = null;

export class ProcessTreeElement extends Base {
  static readonly observedAttributes = ['weights', 'selected', 'controls'];

  private data: TreeView | null = null;
  private fault: string | null = null;
  private row: number | null = null;
  private step = 0;
  private shownWeights: Weights = 'step';
  private root: ShadowRoot | null = null;
  private observer: ResizeObserver | null = null;
  private drawn: Drawn | null = null;

  /** The group that is shown. Invalid input is reported in place of the picture (`problem`). */
  set group(value: GroupJson | null) {
    this.read(() => value);
    this.restart();
  }

  /** Why there is no picture; null if nothing is wrong. */
  get problem(): string | null {
    return this.fault;
  }

  /** The data of the picture, if the group was analysed elsewhere (`treeView` of lambda-grpo). */
  get view(): TreeView | null {
    return this.data;
  }
  set view(view: TreeView | null) {
    this.fault = null;
    this.data = view;
    this.restart();
  }

  /** Index of the chosen completion, from 0; null if none is chosen. */
  get selected(): number | null {
    return this.row === null || !this.data ? null : this.data.completions[this.row].index;
  }
  set selected(completion: number | null) {
    const row = this.data?.completions.findIndex(({ index }) => index === completion) ?? -1;
    this.row = row < 0 ? null : row;
    this.drawn?.map.light(this.row);
    this.drawPanel();
  }

  /**
   * What colours and numbers show: `step`, `grpo`, `lambda-grpo`, an exponent p from 0 to 1, or the name of values in
   * the view.
   */
  get weights(): Weights {
    return this.shownWeights;
  }
  set weights(weights: Weights) {
    this.shownWeights = weights;
    this.drawWeights();
  }

  attributeChangedCallback(name: string, _: string | null, value: string | null): void {
    if (name === 'weights') this.weights = readWeights(value);
    else if (name === 'selected') this.selected = value === null || value === '' ? null : Number(value);
    else this.draw();
  }

  connectedCallback(): void {
    if (!this.root) {
      this.root = this.shadowRoot ?? this.attachShadow({ mode: 'open' });
      sheet ??= new CSSStyleSheet();
      if (sheet.cssRules.length === 0) sheet.replaceSync(styles);
      this.root.adoptedStyleSheets = [sheet];
    }
    let width = -1;
    this.observer = new ResizeObserver(([{ contentRect }]) => {
      // Fitting changes the height; a changed height alone must not fit again.
      if (contentRect.width === width) return;
      width = contentRect.width;
      this.fit();
    });
    this.observer.observe(this);
    if (!this.data && this.fault === null) this.readScript();
    this.draw();
  }

  disconnectedCallback(): void {
    this.observer?.disconnect();
    this.observer = null;
  }

  /** A group inside the element: `<script type="application/json">`. */
  private readScript(): void {
    const script = this.querySelector('script[type="application/json"]');
    if (!script) return;
    this.read(() => JSON.parse(script.textContent ?? ''));
    const attribute = this.getAttribute('selected');
    if (attribute) this.selected = Number(attribute);
  }

  private read(source: () => unknown): void {
    this.fault = null;
    this.data = null;
    try {
      const group = source();
      if (group !== null) this.data = viewOfGroup(group);
    } catch (error) {
      const { message } = error as Error;
      this.fault = error instanceof GroupJsonError ? message : `the group: ${message}`;
    }
  }

  private restart(): void {
    this.row = null;
    this.step = 0;
    this.draw();
  }

  private draw(): void {
    const { root, data } = this;
    if (!root) return;
    this.drawn = null;
    if (!data) {
      root.replaceChildren(
        ...(this.fault === null
          ? []
          : [element('p', { class: 'problem', role: 'alert' }, `This is not a group: ${this.fault}`)]),
      );
      return;
    }
    const reading = element('div', { class: 'panel' });
    const map = treeMap(data, {
      onLight: (row) => {
        this.row = row;
        this.drawPanel();
        this.tell('completion-select', { completion: this.selected });
      },
      onStep: (step) => {
        this.step = step;
        this.drawFigures();
        this.tell('step-focus', { step });
      },
    });
    const legend = treeLegend(data, {
      choosable: this.getAttribute('controls') !== 'none',
      onWeights: (weights) => {
        this.weights = weights;
        this.tell('weights-change', { weights });
      },
      onNumbers: (shown) => {
        map.element.classList.toggle('with-numbers', shown);
        this.fit();
      },
    });
    this.drawn = { map, legend, reading, figures: element('div') };
    root.replaceChildren(element('div', { class: 'whole' }, legend.element, map.element, reading));
    map.light(this.row);
    this.drawPanel();
    this.drawWeights();
    this.fit();
  }

  private drawWeights(): void {
    const { data, drawn } = this;
    if (!data || !drawn) return;
    const values = nodeValues(data, this.shownWeights);
    drawn.map.show(values);
    drawn.legend.show(this.shownWeights, values);
    this.drawPanel();
  }

  /** The figures of the step, and below them the chosen completion. */
  private drawPanel(): void {
    const { data, drawn, row } = this;
    if (!data || !drawn) return;
    this.drawFigures();
    drawn.reading.replaceChildren(
      drawn.figures,
      ...(row === null
        ? []
        : [
            readingView(data, row, {
              values: nodeValues(data, this.shownWeights),
              onStep: (step) => {
                this.step = step;
                this.drawFigures();
              },
            }),
          ]),
    );
  }

  private drawFigures(): void {
    const { data, drawn, row } = this;
    if (!data || !drawn) return;
    drawn.figures.className = 'step-detail';
    drawn.figures.setAttribute('aria-live', 'polite');
    drawn.figures.replaceChildren(stepFigures(data, this.step, this.shownWeights, row === null));
  }

  private fit(): void {
    const { width } = this.getBoundingClientRect();
    if (width > 0) this.drawn?.map.fit(width);
  }

  private tell<K extends keyof ProcessTreeEvents>(name: K, detail: ProcessTreeEvents[K]['detail']): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}

interface Drawn {
  readonly map: ReturnType<typeof treeMap>;
  readonly legend: ReturnType<typeof treeLegend>;
  readonly reading: HTMLElement;
  readonly figures: HTMLElement;
}

/** Registers the element once. Importing `lambda-grpo/view` does this. */
export function defineProcessTree(name = 'process-tree'): void {
  const { customElements } = globalThis;
  if (customElements && !customElements.get(name)) customElements.define(name, ProcessTreeElement);
}

declare global {
  interface HTMLElementTagNameMap {
    'process-tree': ProcessTreeElement;
  }
}
